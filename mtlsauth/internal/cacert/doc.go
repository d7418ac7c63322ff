// Package cacert holds Kong's CA certificates by id: it asks the sources for
// the ids that configurations name, keeps what they answered, and hands out an
// immutable [Snapshot] with one atomic load.
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
// # Time
//
// A known id is asked for again within the refresh period, a missing one after
// 1 s, 2 s, 4 s and so on up to that period. All of it happens in [Store.Run]:
// no request does I/O here, and the only wait is [Set.Wait], for the first
// round of questions about ids that nobody asked for before.
package cacert
