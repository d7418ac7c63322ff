package kongdata_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// adminServer answers as Kong's Admin API does.
type adminServer struct {
	*fakeSource
	token  string // wanted, if not empty
	prefix string
	asked  atomic.Int32
}

func (a *adminServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked.Add(1)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Set-Cookie", "session=x")
	if len(r.Cookies()) > 0 {
		http.Error(w, "a cookie", 400)
		return
	}
	if a.token != "" && r.Header.Get("Kong-Admin-Token") != a.token {
		http.Error(w, `{"message":"Invalid credentials"}`, http.StatusUnauthorized)
		return
	}
	id, ok := strings.CutPrefix(r.URL.Path, a.prefix+"/ca_certificates/")
	text, err := a.certificate(r.Context(), id)
	if !ok || err != nil {
		http.Error(w, `{"message":"Not found"}`, 404)
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"id": id, "cert": text, "created_at": 1, "tags": nil, "cert_digest": "x"})
}

func newAdmin() *adminServer { return &adminServer{fakeSource: newFake("admin")} }

// openAdmin opens a configuration with a source below it.
func openAdmin(t *testing.T, c kongdata.Config, lower ...kongdata.Source) (*kongdata.Store, *logBuffer) {
	t.Helper()
	log, logger := newLog()
	sources, err := kongdata.Open(c, logger)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, kongdata.Options{Sources: append(sources, lower...), Refresh: 50 * time.Millisecond, Log: logger}), log
}

func TestAdminAPI(t *testing.T) {
	admin := newAdmin()
	admin.set(uuid(1), pemOf("one"))
	server := httptest.NewServer(admin)
	defer server.Close()
	s, _ := openAdmin(t, kongdata.Config{AdminURL: server.URL})
	set := s.Want([]string{uuid(1), uuid(2), "not-uuid"})
	wantNames(t, "start", set.Wait(t.Context()), "one/2 not-uuid")
	admin.set(uuid(1), pemOf("other"))
	eventually(t, set, "other/2 not-uuid")
	admin.set(uuid(1), "")
	eventually(t, set, "/1 2 not-uuid")
	if n := len(admin.times("not-uuid")); n != 0 {
		t.Error("the Admin API was asked for what is not a UUID")
	}
}

func TestAdminAPIBelowAPath(t *testing.T) {
	admin := newAdmin()
	admin.prefix = "/admin/team a"
	admin.set(uuid(1), pemOf("one"))
	server := httptest.NewServer(admin)
	defer server.Close()
	s, _ := openAdmin(t, kongdata.Config{AdminURL: server.URL + "/admin/team%20a/"})
	wantNames(t, "", s.Want([]string{uuid(1)}).Wait(t.Context()), "one/")
}

func TestAdminAPIOverUnixSocket(t *testing.T) {
	admin := newAdmin()
	admin.set(uuid(1), pemOf("one"))
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: admin}
	go server.Serve(l)
	defer server.Close()
	s, _ := openAdmin(t, kongdata.Config{AdminURL: "unix:" + path})
	wantNames(t, "", s.Want([]string{uuid(1)}).Wait(t.Context()), "one/")
}

// What is neither the entity nor a 404 means down: the source below is not asked.
func TestAdminAPIDown(t *testing.T) {
	id := uuid(1)
	one := pemOf("one")
	entity := fmt.Sprintf(`{"id":%q,"cert":%q}`, id, one)
	var followed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		followed.Add(1)
		w.Write([]byte(entity))
	}))
	defer elsewhere.Close()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); w.Write([]byte(entity)) }
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
		log     string
	}{
		{"the entity", body(entity), "one/", ""},
		{"id in upper case", body(fmt.Sprintf(`{"id":%q,"cert":%q}`, strings.ToUpper(id), one)), "one/", ""},
		{"404", status(404), "other/", ""},
		{"400", status(400), "/1", "400 Bad Request"},
		{"401", status(401), "/1", "401 Unauthorized"},
		{"403", status(403), "/1", "403 Forbidden"},
		{"410", status(410), "/1", "410 Gone"},
		{"500", status(500), "/1", "500 Internal"},
		{"503", status(503), "/1", "503"},
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "/1", "204"},
		{"206", status(206), "/1", "206"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "/1", "302 Found"},
		{"permanent redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusPermanentRedirect)
		}, "/1", "308"},
		{"too large", body(entity + strings.Repeat(" ", kongdata.MaxEntity)), "/1", "more than 1048576 bytes"},
		{"another id", body(fmt.Sprintf(`{"id":%q,"cert":%q}`, uuid(2), one)), "/1", "another id"},
		{"no id", body(fmt.Sprintf(`{"cert":%q}`, one)), "/1", "another id"},
		{"no certificate", body(fmt.Sprintf(`{"id":%q}`, id)), "/1", "no certificate"},
		{"a list", body("[" + entity + "]"), "/1", "not the JSON"},
		{"HTML", body("<html>top-secret"), "/1", "not the JSON"},
		{"empty", body(""), "/1", "not the JSON"},
		{"null", body("null"), "/1", "another id"},
		{"a wrong type", body(`{"id":1,"cert":"top-secret"}`), "/1", "not the JSON"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(entity)+10))
			w.Write([]byte(entity))
		}, "/1", "unexpected EOF"},
		{"closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "/1", "EOF"},
		{"refused entity", body(fmt.Sprintf(`{"id":%q,"cert":"x"}`, id)), "/1", "refused"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			defer server.Close()
			lower := newFake("lower")
			lower.set(id, pemOf("other"))
			s, log := openAdmin(t, kongdata.Config{AdminURL: server.URL}, lower.source())
			wantNames(t, "", s.Want([]string{id}).Wait(t.Context()), test.want)
			log.await(test.log)
			if !strings.Contains(log.String(), test.log) {
				t.Errorf("log lacks %q:\n%s", test.log, log)
			}
			if strings.Contains(log.String(), "secret") {
				t.Errorf("the log quotes the answer:\n%s", log)
			}
		})
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestAdminAPIGoesDown(t *testing.T) {
	admin := newAdmin()
	for n := range 20 {
		admin.set(uuid(n+1), pemOf("one"))
	}
	server := httptest.NewServer(admin)
	s, log := openAdmin(t, kongdata.Config{AdminURL: server.URL})
	ids := make([]string, 20)
	for n := range ids {
		ids[n] = uuid(n + 1)
	}
	set := s.Want(ids)
	before := set.Wait(t.Context())
	server.Close()
	time.Sleep(300 * time.Millisecond)
	if set.Snapshot() != before || len(before.CAs) != 20 {
		t.Errorf("got %q after the Admin API went down", names(set.Snapshot()))
	}
	if n := log.count("cannot be read:"); n != 1 {
		t.Errorf("%d lines, want 1:\n%s", n, log)
	}
}

func TestAdminAPISlow(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(release)
	s, _ := openAdmin(t, kongdata.Config{AdminURL: server.URL})
	ids := make([]string, 200)
	for n := range ids {
		ids[n] = uuid(n + 1)
	}
	began := time.Now()
	set := s.Want(ids)
	set.Wait(t.Context())
	if took := time.Since(began); took < kongdata.FirstRoundWait-50*time.Millisecond || took > kongdata.FirstRoundWait+20*time.Second {
		t.Errorf("waited %v, want %v", took, kongdata.FirstRoundWait)
	}
	if n := asked.Load(); n > kongdata.AtOnce {
		t.Errorf("%d requests at once, want at most %d", n, kongdata.AtOnce)
	}
}

// One that does not answer is not asked for the rest of a round.
func TestAdminAPIUnanswered(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked.Add(1)
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	s, log := openAdmin(t, kongdata.Config{AdminURL: server.URL})
	ids := make([]string, 200)
	for n := range ids {
		ids[n] = uuid(n + 1)
	}
	if got := s.Want(ids).Wait(t.Context()); len(got.Missing) != len(ids) {
		t.Errorf("%d ids are missing", len(got.Missing))
	}
	if n := asked.Load(); n > 3*kongdata.AtOnce {
		t.Errorf("asked %d times", n)
	}
	log.await("source cannot be read")
	if log.count("source cannot be read") != 1 {
		t.Errorf("log:\n%s", log)
	}
}

func TestAdminToken(t *testing.T) {
	admin := newAdmin()
	admin.token = "first-token"
	admin.set(uuid(1), pemOf("one"))
	server := httptest.NewServer(admin)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "wrong-token\n")
	s, log := openAdmin(t, kongdata.Config{AdminURL: server.URL, AdminTokenFile: file})
	set := s.Want([]string{uuid(1)})
	wantNames(t, "wrong token", set.Wait(t.Context()), "/1")
	write(t, file, "first-token\n")
	eventually(t, set, "one/")
	write(t, file, "two\nlines")
	time.Sleep(200 * time.Millisecond)
	wantNames(t, "no token", set.Snapshot(), "one/")
	if !strings.Contains(log.String(), "must hold a token") {
		t.Errorf("log:\n%s", log)
	}
	for _, secret := range []string{"first-token", "wrong-token", "lines"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds a token:\n%s", log)
		}
	}
}

func TestAdminAPIOverTLS(t *testing.T) {
	root := pki.NewCA("tls root")
	serverCert := root.Client("server", pki.IP("127.0.0.1"), pki.ExtKeyUsage(1))
	client := root.Client("client")
	dir := t.TempDir()
	file := func(name, text string) string {
		write(t, filepath.Join(dir, name), text)
		return filepath.Join(dir, name)
	}
	rootFile, otherFile := file("root.pem", root.PEM()), file("other.pem", pemOf("other root"))
	certFile, keyFile := file("client.pem", client.PEM()), file("client.key", client.KeyPEM())

	admin := newAdmin()
	admin.set(uuid(1), pemOf("one"))
	plain := serveTLS(t, admin, serverCert, nil)
	mutual := serveTLS(t, admin, serverCert, root)
	tests := []struct {
		name      string
		c         kongdata.Config
		want, log string
	}{
		{"the CA file", kongdata.Config{AdminURL: plain, AdminCAFile: rootFile}, "one/", ""},
		{"another name", kongdata.Config{AdminURL: strings.Replace(plain, "127.0.0.1", "localhost", 1), AdminCAFile: rootFile}, "/1", "wanted to match localhost"},
		{"system CAs", kongdata.Config{AdminURL: plain}, "/1", "unknown authority"},
		{"another CA file", kongdata.Config{AdminURL: plain, AdminCAFile: otherFile}, "/1", "unknown authority"},
		{"a CA file with none", kongdata.Config{AdminURL: plain, AdminCAFile: keyFile}, "/1", "-admin-ca-file holds no"},
		{"no CA file", kongdata.Config{AdminURL: plain, AdminCAFile: dir + "/none"}, "/1", "reading -admin-ca-file"},
		{"client certificate", kongdata.Config{AdminURL: mutual, AdminCAFile: rootFile, AdminCertFile: certFile, AdminKeyFile: keyFile}, "one/", ""},
		{"no client certificate", kongdata.Config{AdminURL: mutual, AdminCAFile: rootFile}, "/1", "certificate required"},
		{"a key of another", kongdata.Config{AdminURL: mutual, AdminCAFile: rootFile, AdminCertFile: certFile, AdminKeyFile: file("x.key", pki.NewCA("x").KeyPEM())}, "/1", "-admin-key-file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, log := openAdmin(t, test.c)
			wantNames(t, "", s.Want([]string{uuid(1)}).Wait(t.Context()), test.want)
			log.await(test.log)
			if !strings.Contains(log.String(), test.log) {
				t.Errorf("log lacks %q:\n%s", test.log, log)
			}
		})
	}

	t.Run("the CA file changes", func(t *testing.T) {
		ca := file("ca.pem", pemOf("not this one"))
		s, _ := openAdmin(t, kongdata.Config{AdminURL: plain, AdminCAFile: ca})
		set := s.Want([]string{uuid(1)})
		wantNames(t, "before", set.Wait(t.Context()), "/1")
		write(t, ca, root.PEM())
		eventually(t, set, "one/")
	})
}

// Certificate and key are two files: in between they are no pair, and what worked goes on.
func TestAdminKeyPairIsReplacedHalfByHalf(t *testing.T) {
	root := pki.NewCA("tls root")
	first, second := root.Client("first"), root.Client("second")
	dir := t.TempDir()
	file := func(name, text string) string {
		write(t, filepath.Join(dir, name), text)
		return filepath.Join(dir, name)
	}
	admin := newAdmin()
	admin.set(uuid(1), pemOf("one"))
	c := kongdata.Config{
		AdminURL:      serveTLS(t, admin, root.Client("server", pki.IP("127.0.0.1"), pki.ExtKeyUsage(1)), root),
		AdminCAFile:   file("root.pem", root.PEM()),
		AdminCertFile: file("client.pem", first.PEM()), AdminKeyFile: file("client.key", first.KeyPEM()),
	}
	s, log := openAdmin(t, c)
	set := s.Want([]string{uuid(1)})
	wantNames(t, "before", set.Wait(t.Context()), "one/")
	file("client.pem", second.PEM())
	log.await("-admin-cert-file and -admin-key-file")
	admin.set(uuid(1), pemOf("other"))
	eventually(t, set, "other/") // it is still asked
	if n := log.count("what was known stays in use"); n != 1 || log.count("-admin-cert-file and -admin-key-file") != 1 {
		t.Errorf("said %d times:\n%s", n, log)
	}
	file("client.key", second.KeyPEM())
	log.await("source can be read again")
	if log.count("source can be read again") != 1 {
		t.Errorf("log:\n%s", log)
	}
	admin.set(uuid(1), pemOf("third"))
	eventually(t, set, "third/")
}

// net/http reads the environment once in a process, so that a test of the
// behaviour would depend on those before it.
func TestNoProxy(t *testing.T) {
	client, err := kongdata.LoopbackClient()
	if err != nil {
		t.Fatal(err)
	}
	if client.Transport.(*http.Transport).Proxy != nil || client.Jar != nil {
		t.Error("the client uses a proxy or keeps cookies")
	}
}
