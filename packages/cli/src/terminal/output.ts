/** Where a command writes: results on stdout, progress on stderr and only to a terminal. */
export interface Output {
  /** Results for people; silent under `--json`. */
  print(line: string): void;
  /** A remark for people on stderr; silent under `--json` and `--quiet`. */
  note(line: string): void;
  /** A progress bar; does nothing when stderr is no terminal, under `--quiet` and under `--json`. */
  progress(label: string, total: number, unit: string): ProgressBar;
  /** Whether pictures may be drawn into the terminal. */
  readonly picturesInTerminal: boolean;
}

export interface ProgressBar {
  /** `done` of the total, and a remark shown at the end of the line. */
  update(done: number, remark?: string): void;
  /** Clears the line. */
  end(): void;
}

export interface OutputStreams {
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  /** Milliseconds; injected so that tests need not wait. */
  readonly now: () => number;
}

/** 75 → "1m15s". */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (hours > 0) return `${hours}h${String(minutes).padStart(2, '0')}m`;
  return minutes > 0 ? `${minutes}m${String(rest).padStart(2, '0')}s` : `${rest}s`;
}

/** 12,345,678 bytes → "12.3 MB". */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toLocaleString('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })} MB`;
}

/** The text of a bar: share, rate and time left. Pure, for tests. */
export function progressLine(label: string, done: number, total: number, unit: string, seconds: number, remark: string): string {
  const share = total > 0 ? Math.min(1, done / total) : 0;
  const filled = Math.round(share * 24);
  const rate = seconds > 0 ? done / seconds : 0;
  const rateText = rate >= 10 ? rate.toFixed(0) : rate.toPrecision(2);
  const left = rate > 0 ? formatDuration((total - done) / rate) : '?';
  return `${label} [${'█'.repeat(filled)}${'·'.repeat(24 - filled)}] ${done}/${total}  ${rateText} ${unit}/s  ${left} left${remark === '' ? '' : `  ${remark}`}`;
}

const silent: ProgressBar = { update: () => undefined, end: () => undefined };

export function createOutput(streams: OutputStreams, options: { readonly json: boolean; readonly quiet: boolean }): Output {
  const { stdout, stderr, now } = streams;
  const terminal = stderr.isTTY === true && !options.json && !options.quiet;
  return {
    print: (line) => void (options.json || stdout.write(`${line}\n`)),
    note: (line) => void (options.json || options.quiet || stderr.write(`${line}\n`)),
    picturesInTerminal: stdout.isTTY === true && !options.json,
    progress(label, total, unit) {
      if (!terminal) return silent;
      const started = now();
      let drawn = started;
      let first: number | undefined;
      return {
        update(done, remark = '') {
          // The rate counts this run only, not what a resumed one found done.
          first ??= done > 1 ? done - 1 : 0;
          const time = now();
          // Short work needs no bar; long work does not need more than ten lines a second.
          if (time - started < 1000 || (time - drawn < 100 && done < total)) return;
          drawn = time;
          const seconds = (time - started) / 1000;
          const scale = done - first > 0 ? done / (done - first) : 1;
          const line = progressLine(label, done, total, unit, seconds * scale, remark).slice(0, (stderr.columns ?? 120) - 1);
          stderr.write(`\r\u001b[2K${line}`);
        },
        end: () => void stderr.write('\r\u001b[2K'),
      };
    },
  };
}
