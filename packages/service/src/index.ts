/** What the mains of services share. */
export { addressText, openLogger, runService, type Started } from "./life.ts";
export { type ReloadOptions, reloadAgainAndAgain, watchTls } from "./reloading.ts";
export {
  addressSetting,
  ConfigError,
  type DoorSettings,
  doorFaults,
  type FlagTable,
  logLevelSetting,
  millisecondsSetting,
  parseSettings,
  readFlags,
  readText,
  readTls,
  redisSetting,
  switchSetting,
  type TlsTexts,
} from "./settings.ts";
export { type Gauge, openTelemetry, showGauges } from "./telemetry.ts";
export { openReport, type Report } from "./warnings.ts";
