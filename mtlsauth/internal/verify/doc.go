// Package verify tells how the server would decide about a client certificate, and why.
//
// It judges nothing itself: [Run] starts the engine as the server does, has it decide one
// request, and writes down what the engine tells through [authn.Trace]. [Report] is the
// stable form for machines, [Report.Write] the one for people.
package verify
