// SPDX-License-Identifier: Apache-2.0
// Declares the function of node-forge that its published types leave out.
import type forge from 'node-forge';

declare module 'node-forge' {
  namespace pki {
    /** The part of a certificate that is signed. */
    function getTBSCertificate(cert: forge.pki.Certificate): forge.asn1.Asn1;
  }
}
