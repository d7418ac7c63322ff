package kong_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

func TestMain(m *testing.M) {
	role.Main(kong.Roles, server.Roles)
	os.Exit(m.Run())
}

func TestCheck(t *testing.T) {
	passed := &rpc.Request{
		Header: http.Header{"X-Client-Cert-Dn": {"CN=client"}},
		Ctx:    map[string]any{"authenticated_consumer": map[string]any{"id": "1"}},
	}
	refused := &rpc.Request{Exit: &rpc.Exit{Status: 401}}
	for _, test := range []struct {
		name  string
		want  kong.Want
		got   *rpc.Request
		right bool
	}{
		{"any pass", kong.Want{}, passed, true},
		{"a pass with its subject", kong.Want{DN: "CN=client"}, passed, true},
		{"another subject", kong.Want{DN: "CN=other"}, passed, false},
		{"its consumer", kong.Want{Consumer: "1"}, passed, true},
		{"another consumer", kong.Want{Consumer: "2"}, passed, false},
		{"no consumer", kong.Want{Consumer: "1"}, new(rpc.Request), false},
		{"a refusal", kong.Want{Status: 401}, refused, true},
		{"a refusal for a pass", kong.Want{}, refused, false},
		{"a pass for a refusal", kong.Want{Status: 401}, passed, false},
		{"a fault for a refusal", kong.Want{Status: 401}, &rpc.Request{Exit: &rpc.Exit{Status: 500}}, false},
	} {
		if err := test.want.Check(test.got); (err == nil) != test.right {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}

// driven starts a server of hand-written bytes, which lets every request pass,
// and Kong's side of it.
func driven(t *testing.T, o server.Bytes, evidence ...kong.Evidence) *kong.Driver {
	t.Helper()
	o.Prefix = t.TempDir()
	p, err := role.Run("bytes", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	socket, err := server.Socket(p)
	if err != nil {
		t.Fatal(err)
	}
	d, err := kong.Start(kong.Options{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(t.TempDir(), "evidence")
	if err := kong.WriteEvidence(file, evidence); err != nil {
		t.Fatal(err)
	}
	if err := d.Read("some", file); err != nil {
		t.Fatal(err)
	}
	if err := d.Load("one", map[string]any{"__plugin_id": "1"}); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestJob(t *testing.T) {
	d := driven(t, server.Bytes{}, kong.Evidence{Leaf: "a", Want: kong.Want{DN: "CN=client"}}, kong.Evidence{Leaf: "b"})
	for name, job := range map[string]kong.Job{
		"one connection":  {Requests: 10},
		"several":         {Requests: 10, Connections: 3},
		"from the second": {Requests: 3, From: 1},
		"in no order":     {Requests: 10, Shuffle: true},
		"at a rate":       {Requests: 10, Connections: 2, Rate: 1000},
	} {
		job.Configs, job.Evidence = []string{"one"}, "some"
		r, err := d.Run(job)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Requests != job.Requests || r.P50 <= 0 || r.P50 > r.P99 || r.P99 > r.P999 || r.P999 > r.Most || r.Most > r.Took {
			t.Errorf("%s: got %+v", name, r)
		}
		if job.Rate > 0 && r.Rate() > 1.2*job.Rate {
			t.Errorf("%s: %v requests a second, want no more than %v", name, r.Rate(), job.Rate)
		}
	}
	for name, job := range map[string]kong.Job{
		"no such configuration": {Configs: []string{"two"}, Evidence: "some", Requests: 1},
		"no configuration":      {Evidence: "some", Requests: 1},
		"no such evidence":      {Configs: []string{"one"}, Evidence: "none", Requests: 1},
	} {
		if _, err := d.Run(job); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A measurement of wrong answers is none.
func TestAWrongAnswerIsAnError(t *testing.T) {
	job := kong.Job{Configs: []string{"one"}, Evidence: "some", Requests: 4}
	d := driven(t, server.Bytes{}, kong.Evidence{}, kong.Evidence{Want: kong.Want{Status: 401}})
	if _, err := d.Run(job); err == nil || !strings.Contains(err.Error(), "status 0, want 401") {
		t.Errorf("a pass that should be a refusal: got %v", err)
	}
	second := kong.Job{Configs: []string{"one"}, Evidence: "some", From: 1, Requests: 1}
	if _, err := d.Run(second); err == nil {
		t.Error("from the second on, which should be a refusal: no error")
	}
	d = driven(t, server.Bytes{Exits: true}, kong.Evidence{Want: kong.Want{Status: 401}}, kong.Evidence{})
	if _, err := d.Run(job); err == nil || !strings.Contains(err.Error(), "status 401, want 0") {
		t.Errorf("a refusal that should be a pass: got %v", err)
	}
}
