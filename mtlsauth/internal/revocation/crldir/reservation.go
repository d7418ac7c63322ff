package crldir

// reservation is the memory that a list takes, in the parts in which it was
// asked for.
type reservation struct {
	reserve func(bytes int) (release func(), err error)
	parts   []part
	total   int
}

type part struct {
	bytes   int
	release func()
}

func (r *reservation) more(bytes int) error {
	release, err := r.reserve(bytes)
	if err != nil {
		return err
	}
	r.parts = append(r.parts, part{bytes, release})
	r.total += bytes
	return nil
}

// shrink gives back what is not needed for so many bytes, and asks for what is
// missing to them. All that is kept is counted at every moment.
func (r *reservation) shrink(bytes int) error {
	kept := r.parts[:0]
	left := r.total - bytes
	for _, p := range r.parts {
		if p.bytes <= left {
			left -= p.bytes
			r.total -= p.bytes
			p.release()
			continue
		}
		kept = append(kept, p)
	}
	r.parts = kept
	if r.total < bytes {
		return r.more(bytes - r.total)
	}
	return nil
}

func (r *reservation) release() {
	for _, p := range r.parts {
		p.release()
	}
	r.parts, r.total = nil, 0
}
