// Package webhooksig signs webhooks and checks their signatures, in the form of Standard
// Webhooks: three headers, and an HMAC-SHA256 over the id, the time and the body.
package webhooksig

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a webhook.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp" // seconds since 1970
	HeaderSignature = "Webhook-Signature" // one or more of "v1,BASE64", separated by spaces
)

// Tolerance is how far the time of a webhook may be from that of its receiver.
const Tolerance = 5 * time.Minute

const (
	secretPrefix      = "whsec_"
	minSecret         = 24 // bytes
	maxSecret         = 64
	maxSignatures     = 16
	signatureVersion1 = "v1,"
)

// errSecret does not contain the secret.
var errSecret = fmt.Errorf("a webhook secret is %s followed by the base64 of %d to %d random bytes; make one with: echo %s$(openssl rand -base64 32)",
	secretPrefix, minSecret, maxSecret, secretPrefix)

// Key returns the bytes of a secret, whose text is whsec_ and the base64 of 24 to 64
// bytes.
func Key(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < minSecret || len(key) > maxSecret {
		return nil, errSecret
	}
	return key, nil
}

// Sign sets the headers of a webhook.
func Sign(header http.Header, key []byte, id string, at time.Time, body []byte) {
	seconds := strconv.FormatInt(at.Unix(), 10)
	header.Set(HeaderID, id)
	header.Set(HeaderTimestamp, seconds)
	header.Set(HeaderSignature, signatureVersion1+base64.StdEncoding.EncodeToString(mac(key, id, seconds, body)))
}

// Verify checks the headers of a webhook with that body, and returns its id.
func Verify(header http.Header, key, body []byte, now time.Time) (id string, err error) {
	id, seconds, signatures := header.Get(HeaderID), header.Get(HeaderTimestamp), header.Get(HeaderSignature)
	if id == "" || seconds == "" || signatures == "" {
		return "", errors.New("a header is missing: a webhook has Webhook-Id, Webhook-Timestamp and Webhook-Signature")
	}
	for _, name := range [...]string{HeaderID, HeaderTimestamp, HeaderSignature} {
		if len(header.Values(name)) > 1 { // something before or after this check might read another one
			return "", fmt.Errorf("the header %s is there more than once", name)
		}
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || strconv.FormatInt(unix, 10) != seconds {
		return "", errors.New("the Webhook-Timestamp is not a number of seconds")
	}
	if age := now.Unix() - unix; age > int64(Tolerance/time.Second) || age < -int64(Tolerance/time.Second) {
		return "", fmt.Errorf("the Webhook-Timestamp is more than %s away from the present time: it is a repeated request, or one of the clocks is wrong", Tolerance)
	}
	want := mac(key, id, seconds, body)
	for i, signature := range strings.SplitN(signatures, " ", maxSignatures+1) {
		text, ok := strings.CutPrefix(signature, signatureVersion1)
		got, err := base64.StdEncoding.DecodeString(text)
		if ok && err == nil && i < maxSignatures && subtle.ConstantTimeCompare(got, want) == 1 {
			return id, nil
		}
	}
	return "", errors.New("no signature of the webhook is right: it was sent by somebody else, was changed, or the secret is another one")
}

func mac(key []byte, id, seconds string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(id + "." + seconds + ".")) // a hash never fails
	_, _ = h.Write(body)
	return h.Sum(nil)
}
