package kongdata_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// mapsTo is a file that maps a name to alice.
func mapsTo(name string) string {
	return "consumers: [{username: alice, mtls_auth_credentials: [{subject_name: " + name + "}]}]\n"
}

func TestCredentialsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deck.yaml")
	sources, err := kongdata.Open(kongdata.Config{Credentials: path, CADir: t.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if sources[0].Consumer != nil || !sources[0].HasCredentials || sources[0].Name != "-credentials "+path {
		t.Fatalf("the first source is %q", sources[0].Name)
	}
	read := func() (*consumer.Credentials, error) {
		c := sources[0].Read(t.Context(), kongdata.Request{IDs: []string{uuid(1)}})
		if c.Err != nil || c.CACertificates != nil {
			t.Errorf("it says of CA certificates %v, %v", c.CACertificates, c.Err)
		}
		return c.Credentials, c.Fault
	}
	if got, err := read(); got != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("absent: got %v, %v", got, err)
	}
	var before *consumer.Credentials
	for _, step := range []struct {
		name, text string
		changed    bool
		fault      string
	}{
		{name: "the first version", text: mapsTo("one"), changed: true},
		{name: "unchanged", text: mapsTo("one")},
		{name: "other text that says the same", text: "# a comment\n" + mapsTo("one")},
		{name: "half a file", text: mapsTo("two")[:40], fault: path},
		{name: "empty", text: "", fault: "holds nothing"},
		{name: "contradicting credentials", text: "mtls_auth_credentials: [{subject_name: a, consumer: alice}, {subject_name: a, consumer: bob}]", fault: "two consumers"},
		{name: "another shape", text: "users: []", fault: "neither consumers nor mtls_auth_credentials"},
		{name: "mended to what it was", text: mapsTo("one")},
		{name: "another mapping", text: mapsTo("two"), changed: true},
		{name: "emptied", text: "consumers: []", changed: true},
	} {
		t.Run(step.name, func(t *testing.T) {
			write(t, path, step.text)
			for range 2 { // a fault stays one
				got, err := read()
				if step.fault == "" && err != nil || step.fault != "" && (err == nil || !strings.Contains(err.Error(), step.fault)) {
					t.Errorf("got error %v, want %q", err, step.fault)
				}
				if got == nil || before != nil && (got != before) != step.changed {
					t.Errorf("the pointer changed: %v", got != before)
				}
				if step.changed {
					before, step.changed = got, false
				}
			}
		})
	}
}

func TestCredentialsFileRefused(t *testing.T) {
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	write(t, large, "consumers: []")
	if err := os.Truncate(large, 8<<20+1); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe, large} {
		sources, err := kongdata.Open(kongdata.Config{Credentials: path}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if c := sources[0].Read(t.Context(), kongdata.Request{}); c.Fault == nil || c.Credentials != nil {
			t.Errorf("%s: got %v, %v", path, c.Credentials, c.Fault)
		}
	}
}

// The credentials of -credentials come before those of the declarative file; nil is a
// source that could not be read.
func TestCredentialsInOrder(t *testing.T) {
	dir := t.TempDir()
	deck, declarative := filepath.Join(dir, "deck.yaml"), filepath.Join(dir, "kong.yaml")
	write(t, declarative, mapsTo("two"))
	s, _ := openAdmin(t, kongdata.Config{Credentials: deck, DeclarativeConfig: declarative})
	if first := s.Credentials(); len(first) != 2 {
		t.Fatalf("%d sources of credentials", len(first))
	}
	s.AwaitCredentials()
	got := s.Credentials()
	if got[0] != nil || got[1] == nil {
		t.Errorf("without -credentials: got %v", got)
	}
	write(t, deck, mapsTo("one"))
	for range 500 {
		if now := s.Credentials(); now[0] != nil {
			if slices.Equal(got, now) || now[1] != got[1] {
				t.Errorf("got %v, before %v", now, got)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the file is not followed")
}

// Requests wait for the first reading, together, at most 5 s.
func TestAwaitCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quick, hang := newFake("quick").source(), newHanging("hang")
		quick.HasCredentials = true
		release := hang.hang()
		defer release()
		hanging := hang.source()
		hanging.HasCredentials = true
		_, logger := newLog()
		began := time.Now()
		s := kongdata.NewStore(kongdata.Options{Sources: []kongdata.Source{quick, hanging}, Log: logger})
		time.Sleep(time.Second)
		for range 3 {
			s.AwaitCredentials()
			if took := time.Since(began); took != 5*time.Second {
				t.Errorf("waited until %v, want 5s", took)
			}
		}
		read := newFake("read").source()
		read.HasCredentials = true
		began = time.Now()
		start(t, kongdata.Options{Sources: []kongdata.Source{read}}).AwaitCredentials()
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %v for what has been read", took)
		}
	})
}

// Each plugin has its own entity of credentials: those of the other never count for it.
func TestCredentialsOfEachPlugin(t *testing.T) {
	text := `
consumers:
- {username: alice, mtls_auth_credentials: [{id: ` + uuid(1) + `, subject_name: client}]}
- {username: bob, header_cert_auth_credentials: [{id: ` + uuid(1) + `, subject_name: client}]}
`
	path := filepath.Join(t.TempDir(), "kong.yaml")
	write(t, path, text)
	document, err := kongdata.ReadDocument([]byte(text), path)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"mtls-auth": "alice", "mtls-auth-go": "alice", "header-cert-auth": "bob", "header-cert-auth-go": "bob"} {
		found := map[string]*consumer.Credentials{}
		for flag, c := range map[string]kongdata.Config{"-credentials": {Credentials: path}, "-declarative-config": {DeclarativeConfig: path}} {
			c.Plugin = name
			sources, err := kongdata.Open(c, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			found[flag] = sources[0].Read(t.Context(), kongdata.Request{}).Credentials
		}
		if found["document"], err = document.Directory(name).Prefetch(t.Context(), consumer.Questions{}); err != nil {
			t.Fatal(err)
		}
		for where, credentials := range found {
			only, err := consumer.NewCredentials([]consumer.Credential{{ID: uuid(1), SubjectName: "client", Consumer: by(consumer.ByUsername, want)}})
			if err != nil || !credentials.Equal(only) {
				t.Errorf("%s, %s: got %+v, want one of %s", name, where, credentials, want)
			}
		}
	}
	write(t, path, "mtls_auth_credentials: [{subject_name: a, consumer: alice}]")
	sources, err := kongdata.Open(kongdata.Config{Plugin: "header-cert-auth", Credentials: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if c := sources[0].Read(t.Context(), kongdata.Request{}); c.Fault == nil || !strings.Contains(c.Fault.Error(), "neither consumers nor header_cert_auth_credentials") {
		t.Errorf("a file of the other plugin's: %v", c.Fault)
	}
}
