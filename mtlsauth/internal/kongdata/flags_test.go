package kongdata_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// What a flag names and is not there is said once, and may come later.
func TestAbsentFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	c := kongdata.Config{
		CADir: at("cas"), DeclarativeConfig: at("kong.yml"), AdminURL: "https://127.0.0.1:1",
		AdminTokenFile: at("token"), AdminCAFile: at("ca"), AdminCertFile: at("cert"), AdminKeyFile: at("key"),
	}
	log, logger := newLog()
	if _, err := kongdata.Open(c, logger); err != nil {
		t.Fatal(err)
	}
	for flag, path := range map[string]string{
		"-ca-dir": c.CADir, "-declarative-config": c.DeclarativeConfig, "-admin-token-file": c.AdminTokenFile,
		"-admin-ca-file": c.AdminCAFile, "-admin-cert-file": c.AdminCertFile, "-admin-key-file": c.AdminKeyFile,
	} {
		if log.count("flag="+flag+" path="+path+" ") != 1 {
			t.Errorf("%s: log:\n%s", flag, log)
		}
	}
	if n := log.count("level=WARN"); n != 6 {
		t.Errorf("%d warnings, want 6", n)
	}

	for _, name := range []string{"kong.yml", "token", "ca", "cert", "key"} {
		write(t, at(name), "")
	}
	if err := os.Mkdir(at("cas"), 0o755); err != nil {
		t.Fatal(err)
	}
	log, logger = newLog()
	if _, err := kongdata.Open(c, logger); err != nil || log.String() != "" {
		t.Errorf("all are there: got %v, log:\n%s", err, log)
	}
}

// It is not known where a .kong_env leads that cannot be read, but Kong knows its
// consumers and can be asked.
func TestConsumerBesideUnreadableKongEnv(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"unreadable": func(path string) error { return os.Mkdir(path, 0o700) },
		"broken":     func(path string) error { return writeFile(path, "pg_password = top-secret\n") },
		"no address": func(path string) error { return writeFile(path, "admin_listen = 192.0.2.1:8001\n") },
	} {
		t.Run(name, func(t *testing.T) {
			prefix := t.TempDir()
			if err := spoil(filepath.Join(prefix, ".kong_env")); err != nil {
				t.Fatal(err)
			}
			s, log := openAdmin(t, kongdata.Config{Prefix: prefix, CADir: t.TempDir()})
			for _, by := range []consumer.By{consumer.ByUsername, consumer.ByCustomID} {
				_, err := find(t.Context(), s, by, "x")
				if !errors.Is(err, kongdata.ErrUnanswerable) || errors.Is(err, kongdata.ErrNotFound) || errors.Is(err, kongdata.ErrNoConsumers) {
					t.Errorf("by %s: got %v", by, err)
				}
			}
			if log.count("source of consumers does not answer") != 1 || log.count("-admin-url") == 0 && name != "broken" {
				t.Errorf("log:\n%s", log)
			}
			if name == "unreadable" && (log.count("owner ") == 0 || log.count("mode 0700") == 0 || log.count("-ca-dir") == 0) {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

// A data plane listens for no Admin API, though admin_listen has its default.
func TestDataPlane(t *testing.T) {
	prefix := t.TempDir()
	write(t, filepath.Join(prefix, ".kong_env"), envOf("admin_listen = 127.0.0.1:1", "role = data_plane", "declarative_config = /kong.yml"))
	s, log := openAdmin(t, kongdata.Config{Prefix: prefix})
	wantNames(t, "", s.Want([]string{uuid(1)}).Wait(t.Context()), "/1")
	if _, err := find(t.Context(), s, consumer.ByUsername, "x"); !errors.Is(err, kongdata.ErrNoConsumers) {
		t.Errorf("got %v", err)
	}
	text := log.String()
	if dir := strings.Index(text, "-ca-dir or -declarative-config: a data plane has no Admin API"); dir < 0 || strings.Contains(text[:dir], "-admin-url") {
		t.Errorf("log:\n%s", text)
	}
	if log.count("source cannot be read") != 0 {
		t.Errorf("an Admin API that is not there is asked:\n%s", log)
	}
}
