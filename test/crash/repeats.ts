/** How often a campaign repeats: as often as the environment variable says, or as often as it must. */
export function repeats(variable: string, least: number): number {
  const value = process.env[variable]
  return value === undefined ? least : Number(value)
}
