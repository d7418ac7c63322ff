package crldir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime/debug"

	"mtls-auth/mtlsauth/internal/filewatch"
	"mtls-auth/mtlsauth/internal/revocation/crl"
)

var errPanic = errors.New("a fault in this program, see the log")

// read reads the lists of a file, and returns what it looked like before; nil where
// it could not be opened.
func (f *Folder) read(ctx context.Context, this *file) ([]*crl.List, fs.FileInfo, error) {
	this.aside = ""
	r, info, err := filewatch.Open(this.path)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	if info.Size() > f.o.MaxBytes {
		return nil, info, &crl.Error{Kind: crl.TooLarge, Err: fmt.Errorf("its %d bytes are more than %d", info.Size(), f.o.MaxBytes)}
	}
	if f.testingOnlyRead != nil {
		f.testingOnlyRead()
	}
	input, err := crl.NewInput(&bounded{ctx, r, f.o.MaxBytes})
	if err != nil {
		return nil, info, err
	}
	var lists []*crl.List
	for range maxLists {
		list, wrong := f.next(input)
		if wrong == io.EOF {
			this.aside = input.Aside()
			return lists, info, err
		}
		if wrong != nil {
			if err == nil {
				err = wrong
			}
			if _, ofList := errors.AsType[*crl.Error](wrong); !ofList || len(lists) == 0 && input.Aside() != "" {
				this.aside = input.Aside()
				return lists, info, err
			}
			continue
		}
		lists = append(lists, list)
	}
	return lists, info, &crl.Error{Kind: crl.TooLarge, Err: fmt.Errorf("more than %d CRLs", maxLists)}
}

// bounded ends the reading of a file with ctx, and of one that grows.
type bounded struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

func (b *bounded) Read(to []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.r.Read(to)
	if b.left -= int64(n); b.left < 0 {
		return 0, &crl.Error{Kind: crl.TooLarge, Err: errors.New("it grows while it is read")}
	}
	return n, err
}

// next reads a list and reserves what it takes. A panic is an error: one in this
// goroutine would end the process, and Kong's requests with it.
func (f *Folder) next(input *crl.Input) (list *crl.List, err error) {
	held := 0
	defer func() {
		if p := recover(); p != nil {
			f.log.Error("panic while a CRL was read", "error", fmt.Sprint(p), "stack", string(debug.Stack()))
			list, err = nil, errPanic
		}
		if err != nil {
			f.o.Release(held)
		}
	}()
	reserve := func(n int) error {
		if err := f.o.Reserve(n); err != nil {
			return err
		}
		held += n
		return nil
	}
	if list, err = input.Next(crl.ReadOptions{MaxBytes: f.o.MaxBytes, Reserve: reserve}); err != nil {
		return nil, err
	}
	if size := list.Size(); size > held {
		err = reserve(size - held)
	} else {
		f.o.Release(held - size)
		held = size
	}
	return list, err
}
