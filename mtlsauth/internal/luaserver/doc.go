// Package luaserver serves decisions to the Lua plugin, which runs in Kong's workers and
// asks on the socket that Kong's plugin protocol uses too.
//
// # The protocol
//
// A frame is a 32-bit little-endian length and one JSON object, 1 MiB at most. An
// exchange is one question of a worker and what follows until it is answered; a
// connection carries one after another, and nothing of one is known to the next: any
// worker may ask anything.
//
//	decide ─▶                  what was presented, and the policy's id
//	   ◀─ need, definition ─▶  the policy is not known: its bytes, as they are, in frames;
//	                           of one question at a time, while others wait
//	   ◀─ wait                 it takes long (certificate status); every two seconds
//	   ◀─ lookup, found ─▶     consumers and credentials, all in one batch
//	   ◀─ verdict              pass, refuse or fault, with the whole answer
//	watch ─▶ ◀─ epoch          when cached decisions have to be dropped; where Kong listens
//	ping ─▶ ◀─                 versions and counters
//
// A policy's id is the SHA-256 of its definition: the plugin's name, its configuration and
// the CA certificates that Kong's database has for it. So a changed configuration or CA
// certificate makes another policy, in every worker.
//
// # What is cached where
//
// The worker drops what it caches when Kong's database changes, and asks again. So what
// its lookups found is not cached here. Evidence that only the server sees (certificate
// status, the clock) ends cached decisions by another epoch, and what was looked up stays.
//
// # Failing closed
//
// A verdict that passes is made of a decision that goes on and has its answer, in
// one place. What goes wrong in an exchange is a fault, 500. Only processes of the
// same user, or root's, are answered.
package luaserver
