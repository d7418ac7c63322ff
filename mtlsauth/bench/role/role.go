// Package role runs the parts of a benchmark in processes of their own: what one
// of them costs is read from its own process, and nothing else is in it. A part
// is the program itself, started again with a role in its environment; it takes
// commands as lines of JSON on stdin and answers on stdout.
package role

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

// variable names the role of a process, argument has its argument as JSON.
const (
	variable = "MTLS_AUTH_BENCH_ROLE"
	argument = "MTLS_AUTH_BENCH_ARGUMENT"
)

// A Part is what runs in a process.
type Part interface {
	// Do carries out a command and returns what is answered, as JSON.
	Do(command string, argument json.RawMessage) (any, error)
	// Close ends the part.
	Close() error
}

// Start starts a part in this process.
type Start func(argument json.RawMessage) (Part, error)

// Of returns a Start that reads its argument into a T.
func Of[T any](start func(T) (Part, error)) Start {
	return func(argument json.RawMessage) (Part, error) {
		var a T
		if err := json.Unmarshal(argument, &a); err != nil {
			return nil, fmt.Errorf("reading an argument: %w", err)
		}
		return start(a)
	}
}

// Main plays the role that this process was started with, one of these, until
// stdin ends, and does not return. In a process without a role it does nothing.
func Main(roles ...map[string]Start) {
	name := os.Getenv(variable)
	if name == "" {
		return
	}
	var start Start
	for _, some := range roles {
		if s := some[name]; s != nil {
			start = s
		}
	}
	err := profiled(name, func() error { return play(start, os.Stdin, os.Stdout) })
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

type request struct {
	Command  string
	Argument json.RawMessage
}

type reply struct {
	Error string
	Value any
}

func play(start Start, in io.Reader, out io.Writer) error {
	if start == nil {
		return errors.New("no such role")
	}
	part, err := start(json.RawMessage(os.Getenv(argument)))
	answers := json.NewEncoder(out)
	if err := answers.Encode(replyOf(nil, err)); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	requests := json.NewDecoder(bufio.NewReader(in))
	for {
		var r request
		if err := requests.Decode(&r); err != nil {
			if !errors.Is(err, io.EOF) {
				return fmt.Errorf("reading a command: %w", err)
			}
			return part.Close()
		}
		var value any
		var err error
		switch r.Command {
		case usageCommand:
			value = usage()
		case settleCommand:
			runtime.GC()
		default:
			value, err = part.Do(r.Command, r.Argument)
		}
		if err := answers.Encode(replyOf(value, err)); err != nil {
			return err
		}
	}
}

func replyOf(value any, err error) reply {
	if err != nil {
		return reply{Error: err.Error()}
	}
	return reply{Value: value}
}
