/** Which seeds the simulations run: `SIM_SEED=n` that one, `SIM_SEEDS=n` so many from `SIM_FIRST`. */
const ONE = process.env.SIM_SEED;
const MANY = process.env.SIM_SEEDS;
const FIRST = Number(process.env.SIM_FIRST ?? 1);

/** @param usual how many without either */
export function seedsOf(usual: number): number[] {
  if (ONE !== undefined) return [Number(ONE)];
  return Array.from({ length: Number(MANY ?? usual) }, (_, i) => FIRST + i);
}

/** What went wrong and with which seed: `SIM_SEED=n` does it again. */
export function failuresOf(seeds: readonly number[], run: (seed: number) => string[]): string[] {
  return seeds.flatMap((seed) => run(seed).map((text) => `SIM_SEED=${seed}: ${text}`));
}
