// Package kongdata loads CA certificates, consumers and credentials from files and
// Kong's Admin API, for the modes that have no other way to Kong's entities than
// these. In Lua mode they come with the configuration ([FixedSet]).
//
// # Sources
//
// A [Source] is a folder, a declarative file, the Admin API, or whichever of them
// .kong_env leads to. Each is read by itself and says what it has of the CA
// certificates that configurations name; the store merges that by rank and hands out
// an immutable [Snapshot] with one atomic load.
//
// The first source that knows an id answers. ErrNotFound is an answer ("gone") and
// passes the question on; any other error means that the source is down, and a source
// that is down does not let a lower one answer in its place:
//
//   - what that source itself had answered stays in use;
//   - an id in use from a lower source stays with that source, which is still
//     followed when it replaces or removes the certificate;
//   - an id that a higher source had and now says is gone is missing: no source that
//     can be asked vouches for it;
//   - an id that was not known before stays missing.
//
// An entity that is not one CA certificate is refused. The source did answer, so the
// id is missing and no lower source is asked.
//
// # Files
//
// A file is read once for all that is in it, as Kong reads a declarative file: of
// several YAML documents the first, and a mistake in one entity is one of the file.
// While it cannot be used, the last version that could stays in force.
//
// # Consumers
//
// A declarative file and the Admin API know consumers, too. Here as well the first
// that has one answers, and one that is down does not let a lower one answer: the
// lookup fails. Only a source's own "there is none" is absence. Names are compared
// byte for byte with what came back.
//
// Kong has no consumer under another id than the one in the file, or the one that it
// derives from the username, which is derived here alike. So a file without ids must
// be the one that a Kong without database has read: a tool that writes such a file
// into a database makes up other ids.
//
// # Time
//
// A source is read again after the refresh period; while an id is missing that it may
// have, after 1 s, 2 s, 4 s and so on up to that period. What it is known to have is
// asked for again within two periods. All of it happens in [Store.Run]: the only
// waits of requests are [Set.Wait], until all sources have been asked for ids that
// were not named before, and [Store.AwaitCredentials].
//
// Reading may hang: one that is not over after 5 s goes on by itself, and until then
// its source is down. The one I/O of a request is its question to the Admin API, which
// has a place and a connection apart from those about CA certificates.
package kongdata
