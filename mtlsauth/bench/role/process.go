package role

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
)

// Process is a part in a process of its own. Its methods may be called at the
// same time; commands are carried out one after the other.
type Process struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser

	mu      sync.Mutex
	answers *json.Decoder
}

// Run starts this program anew in a role and waits until its part is there. The
// process ends when this one does.
func Run(name string, arg any) (*Process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(arg)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), variable+"="+name, argument+"="+string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &Process{name: name, cmd: cmd, in: in, answers: json.NewDecoder(out)}
	if err := p.answer(nil); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Do has the part carry out a command and reads its answer into value, which
// may be nil.
func (p *Process) Do(command string, arg, value any) error {
	text, err := json.Marshal(arg)
	if err != nil {
		return err
	}
	line, err := json.Marshal(request{command, text})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return p.answer(value)
}

func (p *Process) answer(value any) error {
	var r struct {
		Error string
		Value json.RawMessage
	}
	if err := p.answers.Decode(&r); err != nil {
		return fmt.Errorf("%s: reading an answer: %w", p.name, err)
	}
	if r.Error != "" {
		return fmt.Errorf("%s: %s", p.name, r.Error)
	}
	if value == nil || len(r.Value) == 0 {
		return nil
	}
	return json.Unmarshal(r.Value, value)
}

// Settle collects the garbage of the process, so that what came before is not
// paid for later.
func (p *Process) Settle() error { return p.Do(settleCommand, nil, nil) }

// Usage returns what the process has used so far.
func (p *Process) Usage() (Usage, error) {
	var u Usage
	return u, p.Do(usageCommand, nil, &u)
}

// PID returns the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Close ends the part and its process, and returns what it failed with.
func (p *Process) Close() error {
	p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}
