const segmenter = new Intl.Segmenter()
const wide =
  /^(?:\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}])/u

/** How many columns of a terminal `text` takes: Chinese, Japanese and Korean characters take two. */
export function displayWidth(text: string): number {
  let width = 0
  for (const { segment } of segmenter.segment(text))
    width += wide.test(segment) ? 2 : /^\p{M}|^\u200b/u.test(segment) ? 0 : 1
  return width
}
