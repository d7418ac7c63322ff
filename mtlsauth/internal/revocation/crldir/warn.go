package crldir

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/crl"
)

// life is where a list is in its life, from thisUpdate to nextUpdate.
type life uint8

const (
	fresh life = iota
	ending
	over
	endless // has no nextUpdate
)

func lifeOf(list *crl.List, now time.Time) life {
	switch {
	case list.NextUpdate.IsZero():
		return endless
	case !now.Before(list.NextUpdate):
		return over
	case list.Late(now):
		return ending
	}
	return fresh
}

// warn tells the log of lists that run out or clear no certificate, once for each
// list and part of its life.
func (f *Folder) warn(now time.Time) {
	warned := make(map[[sha256.Size]byte]life)
	for _, l := range f.current.Load().lists {
		now := lifeOf(l.List, now)
		warned[l.id] = now
		if before, known := f.warned[l.id]; known && before == now {
			continue
		}
		log := f.log.With("file", l.path, "issuer", certificate.DistinguishedName(l.RawIssuer), "this_update", stamp(l.ThisUpdate), "next_update", stamp(l.NextUpdate))
		switch {
		case l.Flaw != nil:
			log.Warn("a CRL in -crl-dir clears no certificate: replace it", "error", l.Flaw)
		case now == ending:
			log.Warn("a CRL in -crl-dir is in the last quarter of its life: replace it before its nextUpdate")
		case now == over:
			log.Warn("a CRL in -crl-dir is past its nextUpdate and clears no certificate any more: replace it")
		case now == endless:
			log.Warn("a CRL in -crl-dir has no nextUpdate and clears no certificate: replace it")
		}
	}
	f.warned = warned
}

// tellAbsent tells the log why the folder cannot be read, once for each reason,
// and when it can again.
func (f *Folder) tellAbsent(err error) {
	var reason string
	if err != nil {
		reason = err.Error()
	}
	if reason == f.absent {
		return
	}
	f.absent = reason
	switch {
	case err == nil:
		f.log.Info("-crl-dir can be read")
	case errors.Is(err, fs.ErrNotExist):
		f.log.Warn("-crl-dir is absent: no CRL is read from it before it appears", "error", err)
	default:
		f.log.Warn("-crl-dir cannot be read: what it held before stays in force", "error", err)
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.UTC().Format(time.RFC3339)
}
