package config

import (
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// StatusBy is how the configuration has certificate status checked; nil for not
// at all.
func (c Config) StatusBy(checker *revocation.Checker) *authn.Status {
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
