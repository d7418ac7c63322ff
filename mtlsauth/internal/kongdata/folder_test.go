package kongdata_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// folderCase is a folder and what the store makes of it.
func openFolder(t *testing.T, dir string, lower ...kongdata.Source) (*kongdata.Store, *logBuffer) {
	t.Helper()
	log, logger := newLog()
	sources, err := kongdata.Open(kongdata.Config{CADir: dir}, logger)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, kongdata.Options{Sources: append(sources, lower...), Refresh: 50 * time.Millisecond, Log: logger}), log
}

func TestFolder(t *testing.T) {
	one, two := pemOf("one"), pemOf("two")
	id := uuid(0xab)
	tests := []struct {
		name  string
		files map[string]string
		want  string
		log   string
	}{
		{"a file", map[string]string{id + ".pem": one}, "one/", ""},
		{"its name in upper case", map[string]string{strings.ToUpper(id) + ".pem": one}, "one/", ""},
		{"with words around it", map[string]string{id + ".pem": "Certificate:\n  Data:\n" + one + "\nend\n"}, "one/", ""},
		{"a Secret in a sub-folder", map[string]string{"x/id": id + "\n", "x/cert": one}, "one/", ""},
		{"a Secret with ca.crt", map[string]string{"x/id": strings.ToUpper(id), "x/ca.crt": one}, "one/", ""},
		{"a Secret with both", map[string]string{"x/id": id, "x/ca.crt": two, "x/cert": one}, "one/", ""},
		{"the folder is a Secret", map[string]string{"id": id, "cert": one}, "one/", ""},
		{"other files", map[string]string{id + ".pem": one, "README": "x", "ca.pem": two, "y/z": "x"}, "one/", "ca.pem"},
		{"one id twice, equal", map[string]string{id + ".pem": one, "x/id": id, "x/cert": one + "\n"}, "one/", ""},
		{"one id twice, different", map[string]string{id + ".pem": one, "x/id": id, "x/cert": two}, "/ab", "differ and have the same id"},
		{"two certificates", map[string]string{id + ".pem": one + two}, "/ab", "more than one certificate"},
		{"no CA", map[string]string{id + ".pem": pki.NewSelfSigned("x").PEM()}, "/ab", "CA:TRUE"},
		{"half a file", map[string]string{id + ".pem": one[:len(one)/2]}, "/ab", "no whole PEM certificate"},
		{"too large", map[string]string{id + ".pem": one + strings.Repeat("\n", kongdata.MaxEntity)}, "/ab", "more than 1048576 bytes"},
		{"a Secret without certificate", map[string]string{"x/id": id}, "/ab", "neither cert nor ca.crt"},
		{"not a UUID", map[string]string{"x/id": "../../etc", "x/cert": one}, "/ab", "must hold a UUID"},
		{"not there", map[string]string{uuid(2) + ".pem": one}, "other/", ""},
		{"empty folder", map[string]string{"README": ""}, "other/", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range test.files {
				write(t, filepath.Join(dir, name), text)
			}
			// What is below answers only for what the folder says it has not.
			lower := newFake("lower")
			lower.set(id, pemOf("other"))
			s, log := openFolder(t, dir, lower.source())
			wantNames(t, "", s.Want([]string{id}).Wait(t.Context()), test.want)
			log.await(test.log)
			if !strings.Contains(log.String(), test.log) {
				t.Errorf("log lacks %q:\n%s", test.log, log)
			}
			if test.log == "" && strings.Contains(log.String(), "ERROR") {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

func TestFolderFollowsChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, uuid(1)+".pem")
	write(t, path, pemOf("one"))
	s, log := openFolder(t, dir)
	set := s.Want([]string{uuid(1), uuid(2)})
	wantNames(t, "start", set.Wait(t.Context()), "one/2")

	two := pemOf("two")
	write(t, path, two) // in place, at once after the first reading
	eventually(t, set, "two/2")
	replace(t, filepath.Join(dir, uuid(2)+".pem"), pemOf("three"))
	eventually(t, set, "two three/")

	write(t, path, two[:100]) // being written
	time.Sleep(200 * time.Millisecond)
	wantNames(t, "half written", set.Snapshot(), "two three/")
	write(t, path, pemOf("four"))
	eventually(t, set, "four three/")

	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	wantNames(t, "folder away", set.Snapshot(), "four three/")
	if !strings.Contains(log.String(), "no such file or directory") {
		t.Errorf("log:\n%s", log)
	}
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, set, "three/1")
}

// A configuration may name what has come since the last reading.
func TestFolderIsReadForANewID(t *testing.T) {
	dir := t.TempDir()
	log, logger := newLog()
	sources, err := kongdata.Open(kongdata.Config{CADir: dir}, logger)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, kongdata.Options{Sources: sources, Refresh: time.Hour, Log: logger})
	wantNames(t, "another id", s.Want([]string{uuid(2)}).Wait(t.Context()), "/2")
	write(t, filepath.Join(dir, uuid(1)+".pem"), pemOf("one"))
	wantNames(t, "", s.Want([]string{uuid(1)}).Wait(t.Context()), "one/")
	if n := log.count("is in no source"); n != 1 {
		t.Errorf("log:\n%s", log)
	}
}

// A file of the same size and time of change is only told apart by its inode,
// one changed within a tick of the clock only by its content.
func TestFolderSameSizeSameTime(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, uuid(1)+".pem")
	one, two := pemOf("one"), pemOf("two")
	size := max(len(one), len(two))
	one += strings.Repeat("\n", size-len(one))
	two += strings.Repeat("\n", size-len(two))
	old := time.Now().Add(-time.Hour)
	put := func(text string, at time.Time) {
		write(t, path+".tmp", text)
		if err := os.Chtimes(path+".tmp", at, at); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".tmp", path); err != nil {
			t.Fatal(err)
		}
	}
	put(one, old)
	s, _ := openFolder(t, dir)
	set := s.Want([]string{uuid(1)})
	wantNames(t, "start", set.Wait(t.Context()), "one/")
	put(two, old)
	eventually(t, set, "two/")

	now := time.Now()
	put(one, now)
	eventually(t, set, "one/")
	write(t, path, two)
	if err := os.Chtimes(path, now, now); err != nil {
		t.Fatal(err)
	}
	eventually(t, set, "two/")
}

// mountSecret makes a Secret as the kubelet mounts it: names that lead through
// ..data, which is replaced in one step.
func mountSecret(t *testing.T, dir, version string, keys map[string]string) {
	t.Helper()
	for key, value := range keys {
		write(t, filepath.Join(dir, "..2026_"+version, key), value)
		os.Symlink(filepath.Join("..data", key), filepath.Join(dir, key))
	}
	old, _ := os.Readlink(filepath.Join(dir, "..data"))
	if err := os.Symlink("..2026_"+version, filepath.Join(dir, "..data_tmp")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if old != "" {
		if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMountedSecret(t *testing.T) {
	for _, place := range []string{"", "sub"} {
		t.Run("in "+place, func(t *testing.T) {
			dir := t.TempDir()
			mount := filepath.Join(dir, place)
			mountSecret(t, mount, "1", map[string]string{"id": uuid(1), "cert": pemOf("one")})
			s, _ := openFolder(t, dir)
			set := s.Want([]string{uuid(1), uuid(2)})
			wantNames(t, "start", set.Wait(t.Context()), "one/2")
			mountSecret(t, mount, "2", map[string]string{"id": uuid(1), "cert": pemOf("two")})
			eventually(t, set, "two/2")
			mountSecret(t, mount, "3", map[string]string{"id": uuid(2), "cert": pemOf("three")})
			eventually(t, set, "three/1")
		})
	}
}

// A Secret whose id cannot be read stands for the id that it had, and for no other.
func TestSecretIDBreaks(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "x", "id"), uuid(1))
	write(t, filepath.Join(dir, "x", "cert"), pemOf("one"))
	lower := newFake("lower")
	lower.set(uuid(1), pemOf("lower"))
	lower.set(uuid(2), pemOf("two"))
	s, _ := openFolder(t, dir, lower.source())
	set := s.Want([]string{uuid(1)})
	wantNames(t, "before", set.Wait(t.Context()), "one/")
	write(t, filepath.Join(dir, "x", "id"), "rubbish")
	time.Sleep(200 * time.Millisecond)
	wantNames(t, "its own id", set.Snapshot(), "one/")
	wantNames(t, "another id", s.Want([]string{uuid(2)}).Wait(t.Context()), "two/")
}

// While a Secret is swapped again and again, its id is never missing and never
// has the other id's certificate.
func TestMountedSecretSwaps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certs := []string{pemOf("even"), pemOf("odd")}
	mountSecret(t, dir, "0", map[string]string{"id": uuid(1), "cert": certs[0]})
	_, logger := newLog()
	sources, err := kongdata.Open(kongdata.Config{CADir: dir}, logger)
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
				mountSecret(t, dir, string(rune('a'+i%26))+string(rune('a'+i/26%26)), map[string]string{"id": uuid(1 + i%2), "cert": certs[i%2]})
			}
		}
	}()
	answers := 0
	for range 2000 {
		read := sources[0].Read(t.Context(), kongdata.Request{})
		absent := 0
		for n := range 2 {
			answer, listed := read.CACertificates[uuid(1+n)]
			if listed && answer.Err == nil {
				answers++
				if certificate.DistinguishedName(answer.Certificate.RawSubject) != []string{"CN=even", "CN=odd"}[n] {
					t.Fatal("an id of one version with the certificate of another")
				}
			}
			if !listed && read.Err == nil {
				absent++
			}
		}
		if absent == 2 {
			t.Fatal("neither version's id is there")
		}
	}
	close(stop)
	<-stopped
	if answers == 0 {
		t.Error("no answer at all")
	}
}

func TestThousandFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures time")
	}
	dir := t.TempDir()
	pem := pemOf("one")
	ids := make([]string, 1000)
	for i := range ids {
		ids[i] = uuid(i + 1)
		write(t, filepath.Join(dir, ids[i]+".pem"), pem)
	}
	began := time.Now()
	s, _ := openFolder(t, dir)
	set := s.Want(ids)
	set.Snapshot()
	if took := time.Since(began); took > 25*time.Millisecond {
		t.Errorf("the start took %v", took)
	}
	if n := len(set.Wait(t.Context()).CAs); n != len(ids) {
		t.Errorf("got %d CAs, want %d", n, len(ids))
	}
	t.Logf("all known after %v", time.Since(began))
}

// A pipe in the folder does not stop the reading of the other files.
func TestPipeInFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, uuid(1)+".pem"), pemOf("one"))
	if err := syscall.Mkfifo(filepath.Join(dir, uuid(2)+".pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	sources, err := kongdata.Open(kongdata.Config{CADir: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan kongdata.Contents, 1)
	go func() { done <- sources[0].Read(t.Context(), kongdata.Request{}) }()
	select {
	case read := <-done:
		if answer := read.CACertificates[uuid(1)]; answer.Certificate == nil {
			t.Error(answer.Err)
		}
		if answer := read.CACertificates[uuid(2)]; answer.Err == nil || errors.Is(answer.Err, kongdata.ErrNotFound) {
			t.Errorf("the pipe: got %v", answer.Err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("reading waits for a writer")
	}
}
