package pluginserver

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxFrame bounds what is read into memory for one frame. The largest that
// Kong has cause to send is a configuration or a certificate chain, far below
// it; go-pdk spends whatever a frame claims.
const maxFrame = 1 << 20

// tooLarge is the length of a frame that was not read into memory.
type tooLarge int64

func (l tooLarge) Error() string {
	return fmt.Sprintf("a frame of %d bytes, must be at most %d", int64(l), maxFrame)
}

// readLength reads a frame's length.
func readLength(r *bufio.Reader) (int64, error) {
	header, err := r.Peek(4)
	if err != nil {
		if errors.Is(err, io.EOF) && len(header) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	length := int64(binary.LittleEndian.Uint32(header))
	_, err = r.Discard(4)
	return length, err
}

// appendFrame reads a frame and appends its bytes to buf. Of a frame over
// maxFrame only the length is read: the error is a tooLarge.
func appendFrame(buf []byte, r *bufio.Reader) ([]byte, error) {
	length, err := readLength(r)
	if err != nil {
		return buf, err
	}
	if length > maxFrame {
		return buf, tooLarge(length)
	}
	start := len(buf)
	buf = append(buf, make([]byte, length)...)
	if _, err := io.ReadFull(r, buf[start:]); err != nil {
		return buf[:start], unexpected(err)
	}
	return buf, nil
}

// unexpected says that the end of the stream came inside a frame.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// discardFrame reads a frame off unseen, of whatever size.
func discardFrame(r *bufio.Reader) error {
	length, err := readLength(r)
	if err != nil {
		return err
	}
	_, err = r.Discard(int(length))
	return unexpected(err)
}

// putLength writes the length of a frame into its first four bytes.
func putLength(frame []byte) {
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-4))
}
