// Package luaserver is the engine's side of the native door: a Lua plugin in
// Kong's own process asks it for decisions, on the socket that Kong's plugin
// protocol is spoken on, and keeps them for as long as it is told.
//
// # The wire
//
// A frame is a 32-bit little-endian length and one JSON object, 1 MiB at most. An
// exchange is one question of a worker and what follows until it is answered; a
// connection carries one after another, and nothing of one is known to the next:
// any worker may ask anything.
//
//	decide ─▶                 what was presented, and the policy's id
//	   ◀─ need                the policy is not known: the same once more, with it
//	   ◀─ wait                it takes long (certificate status); every two seconds
//	   ◀─ lookup, found ─▶    consumers and credentials, all in one batch
//	   ◀─ verdict             pass, refuse or fault, with the whole answer
//	watch ─▶ ◀─ epoch         when what was decided before is to be dropped; where Kong listens
//	ping ─▶ ◀─                versions and counters
//
// A policy's id is the SHA-256 of its definition: the plugin's configuration and
// the CA certificates that Kong's database has for it. So a configuration or CA
// certificate that changes is another policy, for whoever asks by it.
//
// # Who keeps what
//
// The worker drops what it keeps when Kong's database changes, so its questions
// about consumers are answered anew each time: what was found is kept for no other
// request here, nor shared. Evidence that only the engine sees (certificate status, the
// clock) ends decisions by another epoch.
//
// # Failing closed
//
// A verdict that passes is made of a decision that goes on and has its answer, in
// one place. What goes wrong in an exchange is a fault, 500. Only processes of the
// same user, or root's, are answered.
package luaserver
