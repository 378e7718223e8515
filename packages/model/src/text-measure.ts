/** Measures a text in one pass: UTF-8 bytes, and whether it carries what no input may carry. */

export interface TextMeasure {
  /** Size in UTF-8. */
  readonly bytes: number;
  /** Has a character of Unicode's category Cc. */
  readonly control: boolean;
  /** No lone surrogate: it can be written in UTF-8. */
  readonly wellFormed: boolean;
}

export function measureText(text: string): TextMeasure {
  let bytes = 0;
  let control = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      bytes += 1;
      if (unit < 0x20 || unit === 0x7f) control = true;
    } else if (unit < 0x800) {
      bytes += 2;
      if (unit < 0xa0) control = true;
    } else {
      // Each half of a pair counts two of its four bytes; a lone half is refused anyway.
      bytes += unit >= 0xd800 && unit <= 0xdfff ? 2 : 3;
    }
  }
  return { bytes, control, wellFormed: text.isWellFormed() };
}
