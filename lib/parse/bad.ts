/** What a document holds that cannot be understood: it is named, never left out silently. */

/** A thing that could not be understood, and the line where it begins. */
export interface Bad {
  line: number;
  reason: string;
}

/** Thrown where a value cannot be understood; the message says why. */
export class NotUnderstood extends Error {
  override name = "NotUnderstood";
}
