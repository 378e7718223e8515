/** What a service needs to be served: one port for every protocol, an admin port, health, and the door for errors. */
export { type AdminServerOptions, startAdminServer } from "./admin.ts";
export { type Peer, peerOf } from "./connection.ts";
export type { OnInternalError } from "./door.ts";
export { HealthState } from "./health.ts";
export type { DirectAnswer, Hot } from "./hot-method.ts";
export { pathOf, SERVE_LIMITS, type ServeLimits } from "./limits.ts";
export type { TlsFiles } from "./listener.ts";
export { type Page, type PageAnswer, type PageRequest, plain } from "./pages.ts";
export { publicError } from "./public-error.ts";
export { ServeError, type ServeErrorCode } from "./serve-error.ts";
export { type ServedService, serviceOf } from "./served-service.ts";
export { type RunningServer, type ServerOptions, startServer } from "./server.ts";
export { validated } from "./validated.ts";
