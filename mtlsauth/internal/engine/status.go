package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/kongenv"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

// statusServices are what checks status, with what it reads and keeps.
type statusServices struct {
	checker   *revocation.Checker
	listeners *kongenv.Listeners
	folder    *crldir.Folder // nil without -crl-dir
	state     *statedir.Dir  // nil without -state-dir
	exchanged func(kind, result string, took time.Duration)
}

const (
	// crlMemory is what all CRLs may take, as a multiple of the largest: what is
	// kept of one takes half its size.
	crlMemory = 4
	// minCRLMemory is for small bounds on many CRLs.
	minCRLMemory = 256 << 20
	// stateCRLs is how many of the largest CRLs the state folder has room for.
	stateCRLs = 8
	// maxAnswers OCSP responses are kept at most, in an eighth of the memory.
	maxAnswers, answersShare, answerSize = 100_000, 8, 1 << 10
	// maxStateFiles is an OCSP response for each client that the checker remembers.
	maxStateFiles = 100_000
)

// openStatus makes them; CRLs take at most half of the process's memory. Its error is a -state-dir that cannot be used.
func openStatus(o flags.Options, limit int64, log *slog.Logger) (*statusServices, error) {
	s := new(statusServices)
	memory := revocation.NewMemory(min(max(crlMemory*o.MaxCRLSize, minCRLMemory), limit/2))
	if o.CRLDir != "" {
		s.folder = crldir.Open(o.CRLDir, crldir.Options{MaxBytes: o.MaxCRLSize, Reserve: memory.Reserve, Release: memory.Release, Log: log})
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
	var fetcher revocation.Fetcher = fetch.New(fetch.Options{
		UserAgent:    "mtls-auth/" + config.Version,
		DenyPrivate:  o.DenyPrivate,
		OwnListeners: s.listeners.AddrPorts,
	})
	if o.Offline {
		fetcher = offline{}
	}
	s.checker = revocation.New(revocation.Options{
		Fetcher:    fetcher,
		Folder:     s.folder,
		State:      s.state,
		MaxCRLSize: o.MaxCRLSize,
		MaxAnswers: int(min(maxAnswers, limit/answersShare/answerSize)),
		Memory:     memory,
		MinRSABits: o.MinRSABits,
		Log:        log,
		Exchanged: func(kind, result string, took time.Duration) {
			if s.exchanged != nil {
				s.exchanged(kind, result, took)
			}
		},
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

// reload has the folder of CRLs read again.
func (s *statusServices) reload() {
	if s.folder != nil {
		s.folder.Reload()
	}
}

// KongListens says where Kong listens, so that no URL in a certificate leads there.
func (e *Engine) KongListens(listen []string) { e.status.listeners.Tell(listen) }

// KongListeners returns where Kong is known to listen.
func (e *Engine) KongListeners() []netip.AddrPort { return e.status.listeners.AddrPorts() }

// offline fetches nothing.
type offline struct{}

func (offline) Do(context.Context, fetch.Request, fetch.How, int64) (*fetch.Response, error) {
	return nil, errors.New("not fetched: the network was not asked for")
}
