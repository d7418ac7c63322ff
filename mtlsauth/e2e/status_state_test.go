package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// stateFiles are the entries of a state folder, by name.
func stateFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	entries, err := os.ReadDir(filepath.Join(dir, "mtls-auth"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if files[entry.Name()], err = os.ReadFile(filepath.Join(dir, "mtls-auth", entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// killed ends the plugin server with SIGKILL, and waits for the next one.
func (r *rig) killed() {
	r.t.Helper()
	pid := r.Process().PID()
	r.Process().Kill()
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(20 * time.Millisecond) {
		next := r.Process().PID()
		if next == 0 || next == pid {
			continue
		}
		if c, err := net.Dial("unix", r.socket); err != nil {
			continue
		} else {
			c.Close()
		}
		if r.get("/skip", nil).message == noneSent {
			return
		}
	}
	r.t.Fatal("no next server within a minute")
}

// remembered is a rig with a state folder, and certificates by OCSP and CRL.
type remembered struct {
	*rig
	root      *authority
	dir       string
	cas       cas
	plugins   routes
	good, bad *pki.Certificate // by OCSP
	listed    *pki.Certificate // by CRL
	unlisted  *pki.Certificate
	issued    int // so many times
}

func newRemembered(t *testing.T) *remembered {
	t.Helper()
	m := &remembered{root: newAuthority(t, pki.NewCA("root")), dir: t.TempDir()}
	m.issue()
	m.cas, m.plugins = cas{idA: m.root.Certificate}, bothModes()
	m.plugins["/skip"] = trusted([]string{idA})
	m.rig = m.another(t)
	return m
}

// issue makes certificates and a CRL of which nothing is known yet.
func (m *remembered) issue() {
	m.issued++
	byCRL := pki.CRLDistributionPoint(fmt.Sprintf("%s/issued/%d", m.root.host.URL(), m.issued))
	m.good, m.bad = m.root.Client("good", m.root.byOCSP()), m.root.Client("bad", m.root.byOCSP())
	m.listed, m.unlisted = m.root.Client("listed", byCRL), m.root.Client("unlisted", byCRL)
	m.root.responder.Good(m.good)
	m.root.responder.Revoke(m.bad, 1)
	m.root.host.Set(pki.CRL{Issuer: m.root.Certificate, Entries: pki.Revoked(m.listed)}.DER())
}

// another starts a gateway on the same folder.
func (m *remembered) another(t *testing.T, change ...func(*anykong.Options)) *rig {
	t.Helper()
	return newStatusRig(t, m.cas, m.plugins, append(change, flags("-state-dir "+m.dir))...)
}

// silence ends all answers.
func (m *remembered) silence() {
	m.root.responder.Trouble(pki.Trouble{Status: http.StatusServiceUnavailable})
	m.root.host.Trouble(pki.Trouble{Status: http.StatusServiceUnavailable})
}

// all are the certificates and what is known of them.
func (m *remembered) all() map[*pki.Certificate]string {
	return map[*pki.Certificate]string{m.good: passes, m.bad: isRevoked, m.listed: isRevoked, m.unlisted: passes}
}

func (m *remembered) expectAll(what string, r *rig) {
	m.t.Helper()
	for cert, want := range m.all() {
		for _, path := range []string{"/strict", "/ignore"} {
			r.expectStatus(what+", "+cert.Subject.CommonName, path, cert, want)
		}
	}
}

// What was answered outlives the program, killed or not, and the silence of
// everybody; a second program may use it at the same time.
func TestStateOutlivesTheProgram(t *testing.T) {
	t.Parallel()
	m := newRemembered(t)
	m.expectAll("before", m.rig)
	// Two answers about certificates, the revocation once more for requests by
	// another certificate of the issuer, and one list.
	eventually(t, "the answers are on disk", func() bool { return len(stateFiles(t, m.dir)) == 4 })
	m.silence()
	m.killed()
	m.expectAll("killed", m.rig)
	if info, err := os.Stat(filepath.Join(m.dir, "mtls-auth")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v, want mode 0700", info.Mode(), err)
	}
	second := m.another(t)
	m.expectAll("a second program", second)
	m.expectAll("the first beside it", m.rig)

	// What one learns the other has after a restart, too.
	m.root.responder.Trouble(pki.Trouble{})
	late := m.root.Client("late", m.root.byOCSP())
	m.root.responder.Good(late)
	second.expectStatus("learnt by the second", "/strict", late, passes)
	eventually(t, "it is on disk", func() bool { return len(stateFiles(t, m.dir)) == 5 })
	m.silence()
	m.rig.expectStatus("learnt by the second, asked of the first", "/strict", late, passes)
}

// A revocation outlives its answer's time and a restart; a good answer does not.
func TestStateOfWhatIsOver(t *testing.T) {
	t.Parallel()
	m := newRemembered(t)
	files := 0
	ends := m.before(6*time.Second, func(r *rig, ends time.Time) {
		m.issue()
		files = len(stateFiles(t, m.dir))
		for cert, status := range map[*pki.Certificate]pki.CertStatus{m.good: pki.OCSPGood, m.bad: pki.OCSPRevoked} {
			m.root.responder.Set(pki.OCSPSingle{Serial: cert.SerialNumber, Status: status, ThisUpdate: inSeconds(-60), NextUpdate: ends})
		}
		m.root.host.Set(pki.CRL{Issuer: m.root.Certificate, NextUpdate: ends, Entries: pki.Revoked(m.listed)}.DER())
		m.expectAll("before", r)
	})
	eventually(t, "the answers are on disk", func() bool { return len(stateFiles(t, m.dir)) >= files+4 })
	m.silence()
	time.Sleep(time.Until(ends))
	m.killed()
	for cert, want := range m.all() {
		strict, ignore := want, want
		if want == passes {
			strict, ignore = isUnknown, passesNoted
		}
		m.expectStatus("over, "+cert.Subject.CommonName, "/ignore", cert, ignore)
		m.expectStatus("over, "+cert.Subject.CommonName, "/strict", cert, strict)
	}
}

// What is on disk is believed no more than what is fetched: a process that can write
// there gains nothing, and breaks nothing.
func TestStateThatWasTamperedWith(t *testing.T) {
	t.Parallel()
	m := newRemembered(t)
	tampers := []func(data []byte) []byte{
		func(data []byte) []byte { return data[:len(data)/2] },
		func([]byte) []byte { return nil },
		func(data []byte) []byte { data[len(data)-1] ^= 1; return data },
		func(data []byte) []byte { data[len(data)/3] ^= 1; return data },
		func([]byte) []byte { return bytes.Repeat([]byte("not ours\n"), 100) },
	}
	// An answer and a list for each.
	var certs []*pki.Certificate
	for n := range tampers {
		certs = append(certs, m.root.Client("by OCSP", m.root.byOCSP()),
			m.root.Client("by CRL", pki.CRLDistributionPoint(fmt.Sprintf("%s/%d", m.root.host.URL(), n))))
	}
	m.root.responder.Good(certs...)
	for _, cert := range certs {
		m.expectStatus("before", "/strict", cert, passes)
	}
	eventually(t, "the answers are on disk", func() bool { return len(stateFiles(t, m.dir)) == len(certs) })
	m.silence()
	tampered := map[string]int{}
	for file, data := range stateFiles(t, m.dir) {
		kind, _, _ := strings.Cut(file, "-")
		writeFile(t, filepath.Join(m.dir, "mtls-auth", file), string(tampers[tampered[kind]](data)))
		tampered[kind]++
	}
	writeFile(t, filepath.Join(m.dir, "mtls-auth", "README"), "not ours")
	m.killed()
	for _, cert := range certs {
		m.expectStatus("tampered with, "+cert.Subject.CommonName, "/ignore", cert, passesNoted, "status 503")
	}
	for _, cert := range certs {
		m.expectStatus("tampered with, "+cert.Subject.CommonName, "/strict", cert, isUnknown, "status 503")
	}
}

// A folder that others may write to is refused at the start, and says why.
func TestStateFolderOfOthers(t *testing.T) {
	t.Parallel()
	m := newRemembered(t)
	m.expectStatus("before", "/strict", m.good, passes)
	folder := filepath.Join(m.dir, "mtls-auth")
	if err := os.Chmod(folder, 0o770); err != nil {
		t.Fatal(err)
	}
	m.Process().Kill()
	eventually(t, "the next server ends", func() bool { return m.Log().Count(errlog.Notice, "terminated: exit 1") > 0 })
	if m.Log().Count(errlog.Info, "must not be writable by group or others") == 0 {
		t.Error("the log does not say why")
	}
	// Workers use what they have been told for some seconds more.
	eventually(t, "without a server 500", func() bool { return m.status("/strict", m.good) == 500 })
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	m.silence()
	eventually(t, "a server starts", func() bool { return m.status("/strict", m.good) == 200 })
}
