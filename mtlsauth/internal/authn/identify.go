package authn

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/consumer"
)

// Consumers says whose certificates pass.
type Consumers struct {
	By       consumer.ConsumerBy
	DirNames *consumer.DirNameMatcher // nil takes every attribute
	// Credentials are the configuration's own; those of Source, which may be
	// nil, are asked after them.
	Credentials *consumer.Credentials
	Source      CredentialSource
	// Default is the consumer of trusted certificates that no consumer matches; zero
	// for none.
	Default consumer.Ref
}

// CredentialSource has credentials that are kept up to date.
type CredentialSource interface {
	// Credentials returns those that are in force now, in the order in which
	// they are asked; nil among them is for some that could not be read yet.
	// A pointer changes exactly when the credentials do.
	Credentials() []*consumer.Credentials
}

// identify finds out whose certificate it is and completes the decision with
// its consumer. What it returns instead is a denial.
func (p *Policy) identify(ctx context.Context, d *Decision, paths []certpath.Path, e evidence, dir consumer.Directory, now time.Time) *Decision {
	c := p.options.Consumers
	matcher := consumer.Matcher{ConsumerBy: c.By, Lookups: p.options.Lookups}
	ask := p.ask(dir, now)

	names, err := consumer.SubjectNames(paths[0].Certificates[0], consumer.NameOptions{DirNames: c.DirNames, Believed: p.believed(paths[0])})
	if err != nil {
		// Any consumer's name may be among those that could not be read.
		return p.noConsumer(now, now, err)
	}
	trace := traceOf(ctx)
	tell(trace.Names, names)
	subject := consumer.Subject{
		Names: names, CAs: casOn(paths, e),
		Credentials: append([]*consumer.Credentials{c.Credentials}, e.mapped...),
	}
	if batch, ok := dir.(consumer.Prefetcher); ok {
		found, err := p.prefetch(ctx, batch, matcher, subject)
		if err != nil {
			return Deny(LookupFailed, err)
		}
		subject.Credentials = append(subject.Credentials, found)
	}
	match, err := matcher.Match(ctx, subject, ask)
	if err != nil {
		return Deny(LookupFailed, err)
	}
	tell(trace.Matched, match)
	fetched := match.Fetched
	if match.Consumer == nil {
		if match.Incomplete {
			return p.noConsumer(now, fetched, fmt.Errorf("no consumer matches any of the first %d names, and there are more", consumer.MaxNames))
		}
		if c.Default.IsZero() {
			why := fmt.Errorf("no consumer matches its names (%d)", len(names.Values))
			if names.LeftOut != "" {
				why = fmt.Errorf("%w; left out: %s", why, names.LeftOut)
			}
			return p.noConsumer(now, fetched, why)
		}
		match.CredentialID = hex.EncodeToString(d.Subject.Fingerprint[:])
		var asked time.Time
		match.Consumer, asked, err = matcher.Resolve(ctx, c.Default, ask)
		if err != nil {
			return Deny(LookupFailed, fmt.Errorf("default_consumer: %w", err))
		}
		tell(trace.Default, match.Consumer)
		if fetched.IsZero() || asked.Before(fetched) {
			fetched = asked
		}
	}
	d.consumer(match.Consumer, match.CredentialID)
	d.lastsFor(fetched, p.options.CacheTTL)
	return nil
}

// prefetch asks for all that it may take to say whose the certificate is, and
// returns the credentials that Kong's database has.
func (p *Policy) prefetch(ctx context.Context, dir consumer.Prefetcher, matcher consumer.Matcher, subject consumer.Subject) (*consumer.Credentials, error) {
	questions, err := matcher.Questions(subject, p.options.Consumers.Default, p.options.Anonymous)
	if err != nil {
		return nil, err
	}
	return dir.Prefetch(ctx, questions)
}

// noConsumer is the denial of a trusted certificate that no consumer matches. Absence is
// cached no longer than consumers are.
func (p *Policy) noConsumer(now, fetched time.Time, why error) *Decision {
	d := deniedAt(now, Deny(NoConsumer, why))
	d.lastsFor(fetched, p.options.CacheTTL)
	return d
}

func (p *Policy) ask(dir consumer.Directory, now time.Time) consumer.Ask {
	ask := consumer.Ask{Directory: dir, Now: now, MaxAge: p.options.CacheTTL}
	if !p.cachesLookups() {
		ask.MaxAge = 0
	}
	return ask
}

// believed tells which kinds of names count; nil where all do. On a path with name
// constraints those do that they confine. Where SPIFFE IDs are asked for only the ID does,
// which is the only URI: a trust domain's CA can put any other name into its certificates,
// also what reads as the ID of another domain.
func (p *Policy) believed(path certpath.Path) func(certificate.Kind) bool {
	isSPIFFE := len(p.options.TrustDomains) > 0
	if !isSPIFFE && !path.Constrained() {
		return nil
	}
	return func(kind certificate.Kind) bool {
		return (!isSPIFFE || kind == certificate.URI) && (!path.Constrained() || path.Constrains(kind))
	}
}

// casOn returns the configured CA certificates on a path, nearest the leaf
// first. Longer ways to the same conclusion count as well, where no name
// constraints tell the ways apart: a mapping may name the root above a
// certificate at which partial chains may end.
func casOn(paths []certpath.Path, e evidence) []consumer.CA {
	var cas []consumer.CA
	seen := make(map[string]bool)
	for i, path := range paths {
		if i > 0 && (path.Constrained() || paths[0].Constrained()) {
			continue
		}
		for _, cert := range path.Certificates {
			for _, ca := range e.cas.CAs {
				if !seen[ca.ID] && ca.Certificate.Equal(cert) {
					seen[ca.ID] = true
					cas = append(cas, consumer.CA{ID: ca.ID, SHA256: cert.Fingerprint()})
				}
			}
		}
	}
	return cas
}

// lastsFor ends the decision no later than so long after an instant; the zero
// instant sets no end.
func (d *Decision) lastsFor(since time.Time, age time.Duration) {
	if since.IsZero() {
		return
	}
	if end := since.Round(0).Add(age); end.Before(d.expires) {
		d.expires = end
	}
}

// authenticated makes the decision about a request that an earlier plugin has
// authenticated, where that is enough: it goes on as it is.
func authenticated(upstream UpstreamHeaders) *Decision {
	return &Decision{Reason: Passed, earlier: true, clears: upstream != 0}
}

// asAnonymous turns a denial of the client's making into going on as the
// anonymous consumer. Only that consumer is set: no credential, and no group.
func (p *Policy) asAnonymous(ctx context.Context, denied *Decision, dir consumer.Directory, now time.Time) *Decision {
	matcher := consumer.Matcher{Lookups: p.options.Lookups}
	if batch, ok := dir.(consumer.Prefetcher); ok {
		// Resolve returns what failed.
		batch.Prefetch(ctx, consumer.Questions{Consumers: p.options.Anonymous.Queries()})
	}
	c, asked, err := matcher.Resolve(ctx, p.options.Anonymous, p.ask(dir, now))
	if err != nil {
		failed := Deny(LookupFailed, fmt.Errorf("anonymous: %w", err))
		if _, missing := errors.AsType[*consumer.MissingError](err); missing {
			// As Kong's own authentication plugins say it.
			failed.message = fmt.Sprintf("anonymous consumer %s is configured but doesn't exist", p.options.Anonymous)
		}
		failed.Subject, failed.CA, failed.CAIDs, failed.Missing = denied.Subject, denied.CA, denied.CAIDs, denied.Missing
		failed.About, failed.LeftOut = denied.About, denied.LeftOut
		return failed
	}
	d := deniedAt(now, &Decision{
		Reason: denied.Reason, Detail: denied.Detail, Subject: denied.Subject, CA: denied.CA,
		CAIDs: denied.CAIDs, Missing: denied.Missing, About: denied.About, LeftOut: denied.LeftOut, Anonymous: true,
	})
	if !denied.expires.IsZero() && denied.expires.Before(d.expires) {
		d.expires = denied.expires
	}
	d.consumer(c, "")
	d.lastsFor(asked, p.options.CacheTTL)
	return d
}
