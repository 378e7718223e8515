/** IANA time zones: which names there are, and what the wall clock shows in one. */

/**
 * Names of the IANA database that `Intl` takes but does not list, because it calls the zone by another of its names. They
 * stand here so that a spelling can be judged: `Intl` itself takes `europe/london` and `+05:30` as well.
 */
const OTHER_NAMES = new Set(
  `
Africa/Asmara Africa/Timbuktu America/Argentina/Buenos_Aires America/Argentina/Catamarca
America/Argentina/ComodRivadavia America/Argentina/Cordoba America/Argentina/Jujuy America/Argentina/Mendoza
America/Atikokan America/Atka America/Ensenada America/Fort_Wayne America/Indiana/Indianapolis
America/Kentucky/Louisville America/Knox_IN America/Montreal America/Nipigon America/Nuuk America/Pangnirtung
America/Porto_Acre America/Rainy_River America/Rosario America/Santa_Isabel America/Shiprock America/Thunder_Bay
America/Virgin America/Yellowknife Antarctica/South_Pole Asia/Ashkhabad Asia/Choibalsan Asia/Chongqing
Asia/Chungking Asia/Dacca Asia/Harbin Asia/Ho_Chi_Minh Asia/Istanbul Asia/Kashgar Asia/Kathmandu Asia/Kolkata
Asia/Macao Asia/Tel_Aviv Asia/Thimbu Asia/Ujung_Pandang Asia/Ulan_Bator Asia/Yangon Atlantic/Faroe
Atlantic/Jan_Mayen Australia/ACT Australia/Canberra Australia/Currie Australia/LHI Australia/NSW Australia/North
Australia/Queensland Australia/South Australia/Tasmania Australia/Victoria Australia/West Australia/Yancowinna
Brazil/Acre Brazil/DeNoronha Brazil/East Brazil/West CET CST6CDT Canada/Atlantic Canada/Central Canada/Eastern
Canada/Mountain Canada/Newfoundland Canada/Pacific Canada/Saskatchewan Canada/Yukon Chile/Continental
Chile/EasterIsland Cuba EET EST EST5EDT Egypt Eire Etc/GMT Etc/GMT+0 Etc/GMT+1 Etc/GMT+10 Etc/GMT+11 Etc/GMT+12
Etc/GMT+2 Etc/GMT+3 Etc/GMT+4 Etc/GMT+5 Etc/GMT+6 Etc/GMT+7 Etc/GMT+8 Etc/GMT+9 Etc/GMT-0 Etc/GMT-1 Etc/GMT-10
Etc/GMT-11 Etc/GMT-12 Etc/GMT-13 Etc/GMT-14 Etc/GMT-2 Etc/GMT-3 Etc/GMT-4 Etc/GMT-5 Etc/GMT-6 Etc/GMT-7
Etc/GMT-8 Etc/GMT-9 Etc/GMT0 Etc/Greenwich Etc/UCT Etc/UTC Etc/Universal Etc/Zulu Europe/Belfast Europe/Kyiv
Europe/Nicosia Europe/Tiraspol Europe/Uzhgorod Europe/Zaporozhye GB GB-Eire GMT GMT+0 GMT-0 GMT0 Greenwich HST
Hongkong Iceland Iran Israel Jamaica Japan Kwajalein Libya MET MST MST7MDT Mexico/BajaNorte Mexico/BajaSur
Mexico/General NZ NZ-CHAT Navajo PRC PST8PDT Pacific/Chuuk Pacific/Johnston Pacific/Kanton Pacific/Pohnpei
Pacific/Samoa Pacific/Yap Poland Portugal ROC ROK Singapore Turkey UCT US/Alaska US/Aleutian US/Arizona
US/Central US/East-Indiana US/Eastern US/Hawaii US/Indiana-Starke US/Michigan US/Mountain US/Pacific US/Samoa
UTC Universal W-SU WET Zulu
`.split(/\s+/),
);
OTHER_NAMES.delete("");

let listed: ReadonlySet<string> | undefined;

/** True for a name spelt as IANA spells it. */
export function isZoneName(name: string): boolean {
  listed ??= new Set(Intl.supportedValuesOf("timeZone"));
  return listed.has(name) || OTHER_NAMES.has(name);
}

/** For suggestions. */
export function zoneNames(): readonly string[] {
  return [...Intl.supportedValuesOf("timeZone"), ...OTHER_NAMES];
}

const SECOND_MS = 1000;
const DAY_MS = 86_400_000;

/** Maps an instant (Unix ms, fractions allowed) to milliseconds since midnight on the wall clock. */
export type WallClock = (instantMs: number) => number;

const utcClock: WallClock = (instantMs) => ((instantMs % DAY_MS) + DAY_MS) % DAY_MS;

export function wallClock(zone: string): WallClock {
  if (zone === "UTC") return utcClock;
  const format = new Intl.DateTimeFormat("en-US-u-ca-iso8601", {
    timeZone: zone,
    hourCycle: "h23",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  // Offsets are whole seconds and change on whole seconds, so the answer for one second holds for all of it.
  let knownSecond = Number.NaN;
  let knownMs = 0;
  return (instantMs) => {
    const second = Math.floor(instantMs / SECOND_MS);
    if (second !== knownSecond) {
      knownMs = secondOfDay(format, second * SECOND_MS) * SECOND_MS;
      knownSecond = second;
    }
    return knownMs + (instantMs - second * SECOND_MS);
  };
}

function secondOfDay(format: Intl.DateTimeFormat, instantMs: number): number {
  let seconds = 0;
  for (const part of format.formatToParts(instantMs)) {
    if (part.type === "hour") seconds += Number(part.value) * 3600;
    else if (part.type === "minute") seconds += Number(part.value) * 60;
    else if (part.type === "second") seconds += Number(part.value);
  }
  return seconds;
}
