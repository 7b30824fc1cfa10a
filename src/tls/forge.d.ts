// SPDX-License-Identifier: Apache-2.0
// Declares the function of node-forge that its published types leave out.
import 'node-forge';

declare module 'node-forge' {
  namespace pki {
    /** The part of a certificate that is signed. */
    function getTBSCertificate(cert: Certificate): asn1.Asn1;
  }
}
