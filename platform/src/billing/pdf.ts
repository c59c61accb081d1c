import { Buffer } from 'node:buffer'

export interface Text {
  /** Points from the left edge; for one that is aligned to the right, of its end. */
  x: number
  /** Points from the top. */
  y: number
  text: string
  size?: number
  bold?: boolean
  right?: boolean
}

const page = { width: 595, height: 842 }
/** Widths of Helvetica, in thousandths of its size: of digits and what stands between them. Only these are aligned to the right. */
const widths: Record<string, number> = { '.': 278, ',': 278, '-': 333, ' ': 278 }

/**
 * A document of texts on pages of A4. Latin text is set in Helvetica, everything else in STSong-Light: both are known to
 * every reader by name, so nothing is embedded. Chinese shows in whichever Chinese font the reader has, and can be searched
 * and copied, since its codes are Unicode.
 */
export function pdfOf(pages: Text[][], title: string): Buffer {
  const objects: string[] = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    `<< /Type /Pages /Count ${pages.length} /Kids [${pages.map((_, index) => `${10 + 2 * index} 0 R`).join(' ')}] >>`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>',
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>',
    '<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [6 0 R] /ToUnicode 8 0 R >>',
    '<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /DW 1000 /FontDescriptor 7 0 R ' +
      '/CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> >>',
    '<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0 /Ascent 880 ' +
      '/Descent -120 /CapHeight 880 /StemV 93 >>',
    stream(toUnicode),
    `<< /Title ${hexUnicode(title)} /Producer (Warren) >>`,
  ]
  const fonts = '<< /F1 3 0 R /F2 4 0 R /F3 5 0 R >>'
  for (const texts of pages) {
    const box = `/MediaBox [0 0 ${page.width} ${page.height}]`
    objects.push(
      `<< /Type /Page /Parent 2 0 R ${box} /Resources << /Font ${fonts} >> /Contents ${objects.length + 2} 0 R >>`,
      stream(texts.map(drawn).join('\n')),
    )
  }
  return assembled(objects)
}

function drawn({ x, y, text, size = 10, bold = false, right = false }: Text): string {
  const start = right ? x - (size * [...text].reduce((sum, letter) => sum + (widths[letter] ?? 556), 0)) / 1000 : x
  const at = `1 0 0 1 ${start.toFixed(2)} ${(page.height - y).toFixed(2)} Tm`
  const runs = (text.match(/[\x20-\x7e]+|[^\x20-\x7e]+/g) ?? []).map((run) =>
    /^[\x20-\x7e]/.test(run)
      ? `/${bold ? 'F2' : 'F1'} ${size} Tf (${run.replace(/[\\()]/g, '\\$&')}) Tj`
      : `/F3 ${size} Tf ${hexUnicode(run, false)} Tj`,
  )
  return `BT ${at} ${runs.join(' ')} ET`
}

/** UTF-16; what lies beyond its first plane is no part of UCS-2 and shown as a square. */
function hexUnicode(text: string, marked = true): string {
  const units = [...text].map((letter) => (letter.codePointAt(0)! > 0xffff ? 0x25a1 : letter.charCodeAt(0)))
  return `<${marked ? 'FEFF' : ''}${units.map((unit) => unit.toString(16).padStart(4, '0')).join('')}>`
}

const toUnicode = `/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Unicode def /CMapType 2 def
1 begincodespacerange <0000> <FFFF> endcodespacerange
${Array.from({ length: 3 }, (_, hundred) => ranges(hundred * 100)).join('\n')}
endcmap CMapName currentdict /CMap defineresource pop end end`

/** A range may not go across a first byte, and a block has at most a hundred of them. */
function ranges(from: number): string {
  const bytes = Array.from({ length: Math.min(100, 256 - from) }, (_, index) =>
    (from + index).toString(16).padStart(2, '0'),
  )
  return `${bytes.length} beginbfrange\n${bytes.map((byte) => `<${byte}00> <${byte}FF> <${byte}00>`).join('\n')}\nendbfrange`
}

function stream(content: string): string {
  return `<< /Length ${Buffer.byteLength(content, 'latin1')} >>\nstream\n${content}\nendstream`
}

function assembled(objects: string[]): Buffer {
  let text = '%PDF-1.4\n%\xe2\xe3\xcf\xd3\n'
  const offsets = objects.map((object, index) => {
    const offset = text.length
    text += `${index + 1} 0 obj\n${object}\nendobj\n`
    return offset
  })
  const table = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('')
  text += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}`
  const root = `/Root 1 0 R /Info 9 0 R /Size ${objects.length + 1}`
  text += `trailer\n<< ${root} >>\nstartxref\n${text.lastIndexOf('xref\n0 ')}\n%%EOF\n`
  return Buffer.from(text, 'latin1')
}
