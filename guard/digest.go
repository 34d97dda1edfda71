package guard

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
)

const (
	digestVersion = "aureus action digest 1"
	defaultTenant = "default"
)

// Digest returns the SHA-256 that binds an approval to a request. Two requests
// have the same digest only if the tenant and all the parts listed below are the
// same. Equivalent spellings give the same digest: the order of names in JSON
// objects and the form of numbers do not matter, and an absent list, object or
// text equals an empty one where the model does not distinguish them. An empty
// tenant means "default".
//
// The digest covers, in this order: the text "aureus action digest 1"; the
// tenant; the principal's id; the principal that it acts for; the action's id,
// name, risk tier, required permissions, intent, data zone, allowed tools and
// metadata; the tool; the arguments; the HTTP call; the volatile list. A tool
// named in the action's metadata is handled as in [aureus.PolicyContext.Request].
// Not covered are the principal's type, the principal's permissions and claims
// (which are checked again at each decision), the ticket, the ids of workflow, task
// and trace, and the route's pattern (its method, host and path are covered).
//
// The encoding that is hashed is, with every count and length as 8 bytes, big
// endian:
//
//	text         its length in bytes, its bytes
//	list         its count, its items in order
//	permission   text action, text resource, text intent, text data zone, value conditions
//	HTTP call    the byte 0 for none, or the byte 1 and: text method, text host,
//	             text path, text query, text content type, text content encoding,
//	             headers: their count and, sorted by the bytes of the name,
//	             text name, list of text values; text body
//	value        n null, f false, t true, each as that one byte
//	             # and text: a number as its exact decimal, which is an optional -,
//	               the digits without zeros at either end, e, and the exponent of
//	               ten without a plus; 0 for zero
//	             s and text: a string
//	             [ and list of values
//	             { and count, then sorted by the bytes of the name: text name, value
//	             * instead of an array element that is volatile
//
// A volatile name of an object is omitted, and so is approval_token in the
// action's metadata. Absent conditions and absent metadata are encoded as the
// empty object. Arguments of other Go types, such as structs, are encoded as
// their JSON.
//
// An error matches [aureus.ErrInvalid] if the request is at fault: a value
// without a JSON form, nesting beyond 100 levels, an exponent of more than ten
// digits, an invalid pointer in the volatile list, or an HTTP call whose body was
// omitted. Any other error is that of HTTPCall.GetBody.
func Digest(tenant string, request aureus.Request) (aureus.Digest, error) {
	call, err := request.HTTP.Load()
	if err != nil {
		return aureus.Digest{}, fmt.Errorf("guard: %w", err)
	}
	if call != nil && call.BodyOmitted {
		return aureus.Digest{}, fmt.Errorf("guard: %w: /http/body_omitted: an approval covers the body, but the body was not sent", aureus.ErrInvalid)
	}
	request.HTTP = call
	text, err := appendRequest(make([]byte, 0, 1024), cmp.Or(tenant, defaultTenant), withMetadata(request))
	if err != nil {
		return aureus.Digest{}, err
	}
	return sha256.Sum256(text), nil
}

func appendRequest(dst []byte, tenant string, request aureus.Request) ([]byte, error) {
	argumentsMask, metadataMask, err := masks(request.Volatile)
	if err != nil {
		return nil, err
	}
	action := &request.Action
	dst = appendTexts(dst, digestVersion, tenant, request.Principal.ID, request.OnBehalfOf,
		action.ID, action.Name, string(action.RiskTier))
	dst = appendCount(dst, len(action.RequiredPermissions))
	for i := range action.RequiredPermissions {
		p := &action.RequiredPermissions[i]
		dst = appendTexts(dst, p.Action, p.Resource, string(p.Intent), string(p.DataZone))
		if dst, err = appendObject(dst, p.Conditions, nil, 0); err != nil {
			return nil, invalidAt(err, "/action/required_permissions/"+strconv.Itoa(i)+"/conditions")
		}
	}
	dst = appendTexts(dst, string(action.Intent), string(action.DataZone))
	dst = appendList(dst, action.AllowedTools)
	if dst, err = appendObject(dst, action.Metadata, metadataMask, 0); err != nil {
		return nil, invalidAt(err, "/action/metadata")
	}
	dst = appendText(dst, request.Tool)
	if dst, err = appendValue(dst, request.Arguments, argumentsMask, 0); err != nil {
		return nil, invalidAt(err, "/arguments")
	}
	dst = appendCall(dst, request.HTTP)
	return appendList(dst, request.Volatile), nil
}

func appendCall(dst []byte, call *aureus.HTTPCall) []byte {
	if call == nil {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	dst = appendTexts(dst, call.Method, call.Host, call.Path, call.Query, call.ContentType, call.ContentEncoding)
	dst = appendCount(dst, len(call.Headers))
	for _, name := range slices.Sorted(maps.Keys(call.Headers)) {
		dst = appendList(appendText(dst, name), call.Headers[name])
	}
	return appendText(dst, call.Body)
}

func appendText[T ~string | ~[]byte](dst []byte, text T) []byte {
	return append(appendCount(dst, len(text)), text...)
}

func appendTexts(dst []byte, texts ...string) []byte {
	for _, text := range texts {
		dst = appendText(dst, text)
	}
	return dst
}

func appendList(dst []byte, list []string) []byte {
	return appendTexts(appendCount(dst, len(list)), list...)
}

func appendCount(dst []byte, n int) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(n)) //nolint:gosec // a length is never negative
}

func invalidAt(err error, pointer string) error {
	if v, ok := errors.AsType[*valueError](err); ok {
		v.pointer = pointer + v.pointer
	}
	return fmt.Errorf("guard: %w: %w", aureus.ErrInvalid, err)
}
