package plugin

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/kongenv"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

// status is how the configuration has certificate status checked; nil for not
// at all.
func (c Config) status(checker *revocation.Checker) *authn.Status {
	if c.RevocationCheckMode == modeSkip {
		return nil
	}
	s := revocation.Settings{
		Mode:         revocation.Strict,
		HTTPTimeout:  milliseconds(c.HTTPTimeout),
		CertCacheTTL: milliseconds(c.CertCacheTTL),
		How:          fetch.How{HTTPProxy: c.HTTPProxy, HTTPSProxy: c.HTTPSProxy, SSLVerify: c.SSLVerify},
	}
	if c.RevocationCheckMode == modeIgnoreCAError {
		s.Mode = revocation.IgnoreCAError
	}
	return &authn.Status{Checker: checker, Settings: s}
}

// milliseconds is a number of them as a duration: at least one nanosecond where
// there is any, at most ten years, beyond which a duration would not hold it.
func milliseconds(n float64) time.Duration {
	const tenYears = 10 * 365 * 24 * time.Hour
	if n >= float64(tenYears/time.Millisecond) {
		return tenYears
	}
	if n > 0 {
		return max(time.Duration(n*float64(time.Millisecond)), 1)
	}
	return 0
}

// statusServices are what checks status, with what it reads and keeps.
type statusServices struct {
	checker   *revocation.Checker
	listeners *kongenv.Listeners
	folder    *crldir.Folder // nil without -crl-dir
	state     *statedir.Dir  // nil without -state-dir
}

const (
	// crlMemory is what all CRLs may take, as a multiple of the largest: what is
	// kept of one takes half its size.
	crlMemory = 4
	// minCRLMemory is for small bounds on many CRLs.
	minCRLMemory = 256 << 20
	// stateCRLs is how many of the largest CRLs the state folder holds.
	stateCRLs = 8
	// maxAnswers OCSP answers are kept at most, in an eighth of the memory.
	maxAnswers, answersShare, answerSize = 100_000, 8, 1 << 10
	// maxStateFiles is an answer for each client that the checker remembers.
	maxStateFiles = 100_000
)

// openStatus makes them; CRLs take at most half of the process's memory. Its error is a -state-dir that can not be used.
func openStatus(o flags.Options, limit int64, log *slog.Logger) (*statusServices, error) {
	s := new(statusServices)
	memory := revocation.NewMemory(min(max(crlMemory*o.MaxCRLSize, minCRLMemory), limit/2))
	if o.CRLDir != "" {
		s.folder = crldir.Open(o.CRLDir, crldir.Options{MaxBytes: o.MaxCRLSize, Reserve: memory.Reserve, Log: log})
	}
	if o.StateDir != "" {
		var err error
		s.state, err = statedir.Open(o.StateDir, o.Name, statedir.Options{
			MaxBytes: max(stateCRLs*o.MaxCRLSize, statedir.DefaultMaxBytes), MaxFiles: maxStateFiles, Log: log,
		})
		if err != nil {
			return nil, fmt.Errorf("-state-dir %q: %w", o.StateDir, err)
		}
	}
	s.listeners = kongenv.NewListeners(o.Prefix)
	s.checker = revocation.New(revocation.Options{
		Fetcher: fetch.New(fetch.Options{
			UserAgent:    "mtls-auth/" + Version,
			DenyPrivate:  o.DenyPrivate,
			OwnListeners: s.listeners.AddrPorts,
		}),
		Folder:     s.folder,
		State:      s.state,
		MaxCRLSize: o.MaxCRLSize,
		MaxAnswers: int(min(maxAnswers, limit/answersShare/answerSize)),
		Memory:     memory,
		MinRSABits: o.MinRSABits,
		Log:        log,
	})
	return s, nil
}

// run runs them until ctx ends.
func (s *statusServices) run(ctx context.Context) {
	go s.checker.Run(ctx)
	if s.folder != nil {
		go s.folder.Run(ctx)
	}
	if s.state != nil {
		go s.state.Run(ctx)
	}
}

// reload has the folder of CRLs read anew.
func (s *statusServices) reload() {
	if s != nil && s.folder != nil {
		s.folder.Reload()
	}
}
