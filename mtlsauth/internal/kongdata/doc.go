// Package kongdata gets CA certificates and consumers from Kong's sources.
//
// It holds the CA certificates by id: it asks the sources for the ids that
// configurations name, keeps what they answered, and hands out an immutable
// [Snapshot] with one atomic load. Consumers are asked for by requests, one at a
// time ([Store.Consumer]), and not kept.
//
// # Sources
//
// A [Source] is a folder, a declarative file or the Admin API. The first that
// knows an id answers. ErrNotFound is an answer ("gone") and passes the
// question on; any other error means that the source is down, and a source that
// is down does not let a lower one answer in its place:
//
//   - what that source itself had answered stays in use;
//   - an id in use from a lower source stays with that source, which is still
//     followed when it replaces or removes the certificate;
//   - an id that a higher source had and now says is gone is missing: nobody who
//     can be asked vouches for it any more;
//   - an id that was not known before stays missing.
//
// An answer that is no CA certificate as Kong wants one is refused. The source
// did answer, so the id is missing and no lower source is asked.
//
// # Consumers
//
// A [ConsumerSource] knows consumers, too: a declarative file and the Admin API,
// named or found through .kong_env, but no folder. Here as well the first that
// has one answers, and one that is down does not let a lower one answer: the
// lookup fails. Only a source's own "there is none" is absence. Names are
// compared byte for byte with what came back.
//
// Kong has no consumer under another id than the one in the file, or the one
// that it derives from the username, which is derived here alike. So a file
// without ids must be the one that a Kong without database has read: a tool that
// writes such a file into a database makes up other ids.
//
// # Time
//
// A known id is asked for again within the refresh period, a missing one after
// 1 s, 2 s, 4 s and so on up to that period. All of it happens in [Store.Run]:
// no request does I/O for it, and the only wait is [Set.Wait], for the first
// round of questions about ids that nobody asked for before.
//
// Files are read in Run, too, so that a lookup of a consumer waits for no disk.
// Reading may hang: a look that is not over after 5 s goes on by itself, and
// until then its source is down.
// The one I/O of a request is its question to the Admin API, which has a place
// and a connection apart from those about CA certificates.
package kongdata
