package faults

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// admin is what the server reaches Kong's Admin API by. What it says is Kong's, or nothing
// that can be taken for it: a source that lies is believed.
type admin struct {
	server http.Server
	url    string

	mu      sync.Mutex
	kong    string // URL of Kong's Admin API, "" before it is known
	trouble string
	release chan struct{} // closed when the trouble is over
}

// The troubles of an Admin API.
var adminTroubles = []string{"refusing", "silent", "slow", "cut", "garbled", "closed"}

func newAdmin() (*admin, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &admin{url: "http://" + listener.Addr().String(), release: make(chan struct{})}
	a.server.Handler = a
	go a.server.Serve(listener)
	return a, nil
}

func (a *admin) tell(kong string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kong = kong
}

func (a *admin) setTrouble(trouble string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.release)
	a.release = make(chan struct{})
	a.trouble = trouble
}

func (a *admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	kong, trouble, release := a.kong, a.trouble, a.release
	a.mu.Unlock()
	switch trouble {
	case "refusing":
		w.WriteHeader(http.StatusInternalServerError)
		return
	case "silent":
		select {
		case <-release:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case "slow":
		select {
		case <-time.After(700 * time.Millisecond):
		case <-r.Context().Done():
		}
	case "garbled":
		io.WriteString(w, "<html>not here")
		return
	case "closed":
		panic(http.ErrAbortHandler)
	}
	if kong == "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	request, err := http.NewRequestWithContext(r.Context(), r.Method, kong+r.URL.RequestURI(), nil)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for _, name := range []string{"Content-Type", "ETag"} {
		if value := response.Header.Get(name); value != "" {
			w.Header().Set(name, value)
		}
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(response.StatusCode)
	if trouble == "cut" {
		body = body[:len(body)/2]
	}
	w.Write(body)
	if trouble == "cut" {
		panic(http.ErrAbortHandler)
	}
}

func (a *admin) close() {
	a.setTrouble("")
	a.server.Close()
}
