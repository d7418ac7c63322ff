// Package metrics has what Prometheus scrapes: counters that the rim fills, and what is
// read of the engine at each scrape. The rooms that decide do not know it.
//
// # Two ways out
//
// [Metrics.Listen] serves the server's own endpoint, in every mode. In Lua mode the same
// figures go to the registry of Kong's prometheus plugin as well: a worker that watches the
// server is given a [Report] every few seconds, which adds up to what this process has
// counted, and the worker adds that to Kong's counters. Requests and decisions are counted
// by the workers themselves, which answer most requests without the server; they tell the
// server their counts ([Metrics.Counted]), so that its own endpoint has them too.
//
// # Labels
//
// No label has a value that a client chooses. The plugin is one of two, reasons, results
// and kinds are those of this program, and the ids and issuers of CA certificates are
// bounded in number.
package metrics
