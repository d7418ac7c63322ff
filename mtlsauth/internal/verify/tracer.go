package verify

import (
	"encoding/hex"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/revocation"
)

// tracer writes down what the engine tells.
type tracer struct {
	report     *Report
	leaf       *certificate.Certificate
	configured map[[32]byte]string // ids by fingerprint
}

func (t *tracer) trace() *authn.Trace {
	return &authn.Trace{
		Read: t.read, CAs: t.cas, Step: t.step, Paths: t.paths, Status: t.status, Names: t.names, Matched: t.matched, Default: t.byDefault,
	}
}

func (t *tracer) read(leaf *certificate.Certificate, chain []*certificate.Certificate, leftOut int) {
	t.leaf = leaf
	read := described(leaf)
	t.report.Certificate, t.report.LeftOut = &read, leftOut
	for _, c := range chain {
		t.report.Chain = append(t.report.Chain, described(c))
	}
}

func (t *tracer) cas(s *kongdata.Snapshot, trust *certpath.Trust) {
	t.configured = make(map[[32]byte]string)
	for _, ca := range s.CAs {
		t.configured[ca.Certificate.Fingerprint()] = ca.ID
		t.report.CACertificates = append(t.report.CACertificates, CA{ca.ID, described(ca.Certificate), trust != nil && trust.IsAnchor(ca.Certificate)})
	}
}

func (t *tracer) step(s certpath.Step) {
	step := Step{Path: subjects(s.Path), Check: s.Check.String(), From: "sent"}
	if s.Err != nil {
		step.Error = s.Err.Err.Error()
	}
	judged := s.Path[len(s.Path)-1]
	if id, ok := t.configured[judged.Fingerprint()]; ok {
		step.From = id
	} else if len(s.Path) == 1 {
		step.From = "leaf"
	}
	t.report.Steps = append(t.report.Steps, step)
}

func (t *tracer) paths(paths []certpath.Path) {
	for _, path := range paths {
		t.report.Paths = append(t.report.Paths, subjects(path.Certificates))
	}
}

func (t *tracer) status(f revocation.Finding) {
	s := Status{
		Subject: certificate.DistinguishedName(f.Certificate.RawSubject), Serial: serial(f.Certificate),
		State: f.State, From: f.From, ThisUpdate: given(f.ThisUpdate), Until: given(f.Until),
	}
	if f.Err != nil {
		s.Error = f.Err.Error()
	}
	t.report.Revocation.Certificates = append(t.report.Revocation.Certificates, s)
}

func (t *tracer) names(n consumer.Names) {
	t.report.Names = &Names{append([]string{}, n.Values...), n.More, n.LeftOut}
}

func (t *tracer) matched(m consumer.Match) {
	switch {
	case m.Consumer == nil:
	case m.Credential != nil:
		by := m.Credential.SubjectName
		if ca := m.Credential.CACertificateID; ca != "" {
			by += " under the CA certificate " + ca
		}
		t.report.Consumer = &Consumer{Rule: "credential", By: by}
	default:
		t.report.Consumer = &Consumer{Rule: m.Query.By.String(), By: m.Query.Value}
	}
}

func (t *tracer) byDefault(*consumer.Consumer) {
	t.report.Consumer = &Consumer{Rule: "default_consumer"}
}

func given(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

func subjects(path []*certificate.Certificate) []string {
	names := make([]string, len(path))
	for i, c := range path {
		names[i] = subject(c)
	}
	return names
}

// subject names a certificate, one with an empty subject by its serial number.
func subject(c *certificate.Certificate) string {
	if name := certificate.DistinguishedName(c.RawSubject); name != "" {
		return name
	}
	return "serial " + serial(c)
}

func serial(c *certificate.Certificate) string { return c.SerialNumber().Text(16) }

var kinds = map[certificate.Kind]string{
	certificate.DNS: "DNS", certificate.Email: "email", certificate.URI: "URI", certificate.IP: "IP",
	certificate.DirectoryName: "dirName", certificate.UPN: "UPN",
}

func described(c *certificate.Certificate) Certificate {
	fingerprint := c.Fingerprint()
	d := Certificate{
		Subject: certificate.DistinguishedName(c.RawSubject), Issuer: certificate.DistinguishedName(c.RawIssuer), Serial: serial(c),
		Fingerprint: hex.EncodeToString(fingerprint[:]), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), SANs: []string{},
	}
	names, _, err := c.SubjectAltNames()
	if err != nil {
		d.SANs = append(d.SANs, "unreadable: "+err.Error())
	}
	for _, n := range names {
		kind, ok := kinds[n.Kind]
		switch {
		case n.Undecodable:
			d.SANs = append(d.SANs, "unreadable")
		case ok:
			d.SANs = append(d.SANs, kind+":"+n.Value)
		default:
			d.SANs = append(d.SANs, "other")
		}
	}
	return d
}
