// SPDX-License-Identifier: Apache-2.0
// Remembers what was worked out from an object for as long as the object lives.

/** `f`, asked once for each object. Only for objects that nobody changes, as those of the cache. */
export function memoized<K extends object, V>(f: (object: K) => V): (object: K) => V {
  const known = new WeakMap<K, { value: V }>();
  return (object) => {
    const hit = known.get(object);
    if (hit !== undefined) return hit.value;
    const value = f(object);
    known.set(object, { value });
    return value;
  };
}
