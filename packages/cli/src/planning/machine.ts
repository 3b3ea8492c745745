/** What a machine does in a second, and what it costs. */
export interface Machine {
  /** FLOPs a second that are reached, not the peak. */
  readonly flops?: number;
  /** Bytes a second that are read from memory. */
  readonly bandwidth?: number;
  readonly dollarsPerHour?: number;
}
