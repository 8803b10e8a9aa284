/** The parts of a document that cannot be understood: they are reported, never left out silently. */

/** A part that could not be understood, and the line where it begins. */
export interface Bad {
  line: number;
  reason: string;
}

/** Thrown for a value that cannot be understood; the message says why. */
export class NotUnderstood extends Error {
  override name = "NotUnderstood";
}
