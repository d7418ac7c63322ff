package kongdata_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

func TestKongEnvConsumers(t *testing.T) {
	admin := newKong()
	admin.add(consumer.Consumer{ID: uuid(1), Username: "x", CustomID: "api"})
	server := httptest.NewServer(admin)
	defer server.Close()
	listen := "admin_listen = " + listenOf(server.URL)
	dir := t.TempDir()
	file := filepath.Join(dir, "kong.yml")
	of := func(customID string) string {
		return fmt.Sprintf("consumers: [{id: %s, username: x, custom_id: %s}]", uuid(1), customID)
	}
	write(t, file, of("file"))
	tests := []struct{ name, env, want string }{
		{"the Admin API", envOf(listen), "api"},
		{"DB-less with an Admin API", envOf(listen, "declarative_config = "+file), "api"},
		{"no Admin API, a file", envOf("admin_listen = off", "declarative_config = "+file), "file"},
		{"no Admin API, a text", envOf("admin_listen = off", "declarative_config_string = "+of("text")), "text"},
		{"no Admin API, no file there", envOf("admin_listen = off", "declarative_config = "+file+".none"), "error: …"},
		{"an Admin API that may not be asked", envOf("admin_listen = 192.0.2.1:8001", "declarative_config = "+file), "error: …"},
		{"nothing", envOf("admin_listen = off"), "lower"},
		{"no .kong_env", "", "lower"},
		{"broken", "pg_password = top-secret\n", "error: …"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			prefix := t.TempDir()
			if test.env != "" {
				write(t, filepath.Join(prefix, ".kong_env"), test.env)
			}
			lower := newConsumerFake("lower")
			lower.consumers["username=x"] = consumer.Consumer{ID: uuid(1), Username: "x", CustomID: "lower"}
			s, _ := openAdmin(t, kongdata.Config{Prefix: prefix}, lower.source())
			got, err := find(t.Context(), s, consumer.ByUsername, "x")
			if test.want == "error: …" {
				if err == nil || errors.Is(err, kongdata.ErrNotFound) || errors.Is(err, kongdata.ErrNoConsumers) || strings.Contains(err.Error(), "secret") {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if err != nil || got.CustomID != test.want {
				t.Errorf("got %+v, %v, want %s", got, err, test.want)
			}
		})
	}
}

// A broken version of the file that .kong_env names is in the log, though
// its consumers are still found.
func TestKongEnvConsumersBreak(t *testing.T) {
	prefix := t.TempDir()
	file := filepath.Join(prefix, "kong.yml")
	write(t, file, "consumers: [{username: x}]")
	write(t, filepath.Join(prefix, ".kong_env"), envOf("admin_listen = off", "declarative_config = kong.yml"))
	s, log := openAdmin(t, kongdata.Config{Prefix: prefix})
	wantLookup(t, s, consumer.ByUsername, "x", "x")
	write(t, file, "consumers: [")
	for range 500 {
		wantLookup(t, s, consumer.ByUsername, "x", "x")
		if log.count("source cannot be read") == 1 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("log:\n%s", log)
}

// Lookups while .kong_env leads elsewhere get one answer or the other.
func TestKongEnvConsumersChange(t *testing.T) {
	t.Parallel()
	prefix := t.TempDir()
	path := filepath.Join(prefix, ".kong_env")
	var envs []string
	for _, name := range []string{"one", "two"} {
		admin := newKong()
		admin.add(consumer.Consumer{ID: uuid(1), Username: "x", CustomID: name})
		server := httptest.NewServer(admin)
		defer server.Close()
		envs = append(envs, envOf("admin_listen = "+listenOf(server.URL)))
	}
	write(t, path, envs[0])
	s, log := openAdmin(t, kongdata.Config{Prefix: prefix})
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					wantLookup(t, s, consumer.ByUsername, "x", "x")
				}
			}
		})
	}
	for i := range 40 {
		replace(t, path, envs[(i+1)%2])
		s.Reload()
		time.Sleep(10 * time.Millisecond)
	}
	close(stop)
	asking.Wait()
	if log.count("CA certificates and consumers can be had") < 10 {
		t.Errorf("log:\n%s", log)
	}
}
