package ocsp

import (
	"math/big"
	"strconv"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/signature"
)

const (
	tag0 = asn1.Tag(0x80) // context-specific, primitive
	tag2 = asn1.Tag(0x82)

	explicit0 = asn1.Tag(0xa0) // context-specific, constructed
	explicit1 = asn1.Tag(0xa1)
	explicit2 = asn1.Tag(0xa2)
)

// oidBasic is id-pkix-ocsp-basic.
const oidBasic = "\x2b\x06\x01\x05\x05\x07\x30\x01\x01"

// statusTexts are the unsuccessful values of OCSPResponseStatus (RFC 6960,
// section 4.2.1).
var statusTexts = map[int]string{
	1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized",
}

// response is a parsed BasicOCSPResponse of which nothing is verified.
type response struct {
	tbs          []byte // what is signed: the element of ResponseData
	algorithm    signature.Algorithm
	signature    []byte
	certificates [][]byte // those embedded

	// One of these two says who signed: an element of Name, or a SHA-1.
	responderName, responderKeyHash []byte

	producedAt time.Time
	entries    []entry
	// flaw is why the response clears no certificate; nil for nothing.
	flaw error
}

// read parses response and makes the question that it has to answer.
func read(der []byte, issuer *certificate.Certificate, serial *big.Int, rawIssuer []byte) (*response, question, error) {
	q, ok := newQuestion(issuer, serial, rawIssuer)
	if !ok {
		return nil, question{}, refuse(Unauthorized, "the issuer has no public key")
	}
	if len(der) > MaxSize {
		return nil, question{}, refuse(Malformed, "response has "+strconv.Itoa(len(der))+" bytes, at most "+strconv.Itoa(MaxSize)+" are read")
	}
	basic, err := parseOuter(der)
	if err != nil {
		return nil, question{}, err
	}
	r, err := parseBasic(basic)
	if err != nil {
		return nil, question{}, err
	}
	return r, q, nil
}

func malformed(what string) error { return refuse(Malformed, "malformed "+what) }

// parseOuter returns the BasicOCSPResponse within a successful OCSPResponse
// (RFC 6960, section 4.2.1).
func parseOuter(der []byte) (cryptobyte.String, error) {
	input := cryptobyte.String(der)
	var outer, wrapped, bytes, kind, basic cryptobyte.String
	var status int
	var present bool
	if !input.ReadASN1(&outer, asn1.SEQUENCE) || !input.Empty() || !outer.ReadASN1Enum(&status) ||
		!outer.ReadOptionalASN1(&wrapped, &present, explicit0) || !outer.Empty() {
		return nil, malformed("OCSPResponse")
	}
	if status != 0 {
		name, known := statusTexts[status]
		if !known {
			name = strconv.Itoa(status)
		}
		return nil, refuse(Unsuccessful, "responseStatus is "+name)
	}
	if !present || !wrapped.ReadASN1(&bytes, asn1.SEQUENCE) || !wrapped.Empty() ||
		!bytes.ReadASN1(&kind, asn1.OBJECT_IDENTIFIER) || !bytes.ReadASN1(&basic, asn1.OCTET_STRING) || !bytes.Empty() {
		return nil, malformed("ResponseBytes")
	}
	if string(kind) != oidBasic {
		return nil, refuse(Malformed, "responseType is not id-pkix-ocsp-basic")
	}
	return basic, nil
}

func parseBasic(input cryptobyte.String) (*response, error) {
	var basic, data, algorithm, wrapped cryptobyte.String
	var present bool
	r := &response{}
	// A signature has a whole number of bytes, so unused bits are refused.
	if !input.ReadASN1(&basic, asn1.SEQUENCE) || !input.Empty() ||
		!basic.ReadASN1Element(&data, asn1.SEQUENCE) || !basic.ReadASN1Element(&algorithm, asn1.SEQUENCE) ||
		!basic.ReadASN1BitStringAsBytes(&r.signature) ||
		!basic.ReadOptionalASN1(&wrapped, &present, explicit0) || !basic.Empty() {
		return nil, malformed("BasicOCSPResponse")
	}
	r.tbs = data
	if err := r.parseData(data); err != nil {
		return nil, err
	}
	if present && !r.parseCertificates(wrapped) {
		return nil, malformed("certs")
	}
	var err error
	if r.algorithm, err = signature.Parse(algorithm); err != nil {
		return nil, refuseFor(WeakAlgorithm, "parsing signatureAlgorithm", err)
	}
	return r, nil
}

// parseCertificates tells the embedded certificates apart. Whether they can be
// parsed matters only when the signer is sought among them.
func (r *response) parseCertificates(wrapped cryptobyte.String) bool {
	var certs, cert cryptobyte.String
	if !wrapped.ReadASN1(&certs, asn1.SEQUENCE) || !wrapped.Empty() {
		return false
	}
	for !certs.Empty() {
		if !certs.ReadASN1Element(&cert, asn1.SEQUENCE) {
			return false
		}
		r.certificates = append(r.certificates, cert)
	}
	return true
}

// parseData reads ResponseData.
func (r *response) parseData(input cryptobyte.String) error {
	var data, wrapped, responses, single cryptobyte.String
	var present, good bool
	if !input.ReadASN1(&data, asn1.SEQUENCE) || !data.ReadOptionalASN1(&wrapped, &present, explicit0) {
		return malformed("ResponseData")
	}
	// DER has the default, v1, left out; some write it and are understood.
	var version int
	if present && (!wrapped.ReadASN1Integer(&version) || !wrapped.Empty()) {
		return malformed("version")
	}
	if version != 0 {
		r.flaw = refuse(Malformed, "version is not v1")
	}
	if !r.parseResponderID(&data) {
		return malformed("responderID")
	}
	if r.producedAt, good = readTime(&data); !good {
		return malformed("producedAt")
	}
	if !data.ReadASN1(&responses, asn1.SEQUENCE) || !data.ReadOptionalASN1(&wrapped, &present, explicit1) || !data.Empty() {
		return malformed("ResponseData")
	}
	for !responses.Empty() {
		if !responses.ReadASN1(&single, asn1.SEQUENCE) {
			return malformed("responses")
		}
		e, ok := parseEntry(single)
		if !ok {
			return malformed("SingleResponse")
		}
		r.entries = append(r.entries, e)
	}
	if present {
		critical, good := parseExtensions(wrapped)
		switch {
		case !good:
			r.flaw = malformed("responseExtensions")
		case critical:
			r.flaw = refuse(Critical, "unknown critical extension in the response")
		}
	}
	return nil
}

func (r *response) parseResponderID(data *cryptobyte.String) bool {
	var wrapped, id cryptobyte.String
	if data.PeekASN1Tag(explicit1) {
		if !data.ReadASN1(&wrapped, explicit1) || !wrapped.ReadASN1Element(&id, asn1.SEQUENCE) {
			return false
		}
		r.responderName = id
		return wrapped.Empty()
	}
	if !data.ReadASN1(&wrapped, explicit2) || !wrapped.ReadASN1(&id, asn1.OCTET_STRING) {
		return false
	}
	r.responderKeyHash = id
	return wrapped.Empty()
}
