/**
 * Reads from a shared library the names that it offers to others.
 *
 * The build checks with it that the shim offers nothing but its own functions: a symbol without our prefix could be
 * preferred over, or replaced by, one of libc's that has the same name. Only what a 64-bit little-endian ELF file needs
 * is read: the section headers, the dynamic symbol table and its strings.
 *
 * @module
 */

const SECTION_DYNSYM = 11;
const SECTION_UNDEFINED = 0;
const BIND_LOCAL = 0;
const SYMBOL_BYTES = 24;

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

/** The names that the library defines for others, sorted. Throws when the bytes are no 64-bit little-endian ELF file. */
export function exportedSymbols(bytes: Uint8Array<ArrayBuffer>): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isElf64 = bytes.length >= 64 && view.getUint32(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1;
  if (!isElf64) throw new TypeError("not a 64-bit little-endian ELF file");

  const sections = readSections(view);
  const symbols = sections.find((section) => section.type === SECTION_DYNSYM);
  if (symbols === undefined) return [];
  const strings = sections[symbols.link];

  const names: string[] = [];
  for (let at = symbols.offset; at < symbols.offset + symbols.size; at += SYMBOL_BYTES) {
    const bind = bytes[at + 4] >> 4;
    const definedIn = view.getUint16(at + 6, true);
    if (bind === BIND_LOCAL || definedIn === SECTION_UNDEFINED) continue;
    const start = strings.offset + view.getUint32(at, true);
    names.push(new TextDecoder().decode(bytes.subarray(start, bytes.indexOf(0, start))));
  }
  return names.sort();
}

function readSections(view: DataView): Section[] {
  const table = Number(view.getBigUint64(40, true));
  const entryBytes = view.getUint16(58, true);
  const count = view.getUint16(60, true);
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * entryBytes;
    return {
      type: view.getUint32(at + 4, true),
      offset: Number(view.getBigUint64(at + 24, true)),
      size: Number(view.getBigUint64(at + 32, true)),
      link: view.getUint32(at + 40, true),
    };
  });
}
