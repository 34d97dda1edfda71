package aureus

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/internal/wire"
)

// PolicyBundle is a version of the policy bundle of a tenant.
type PolicyBundle struct {
	Name    string `json:"name"`
	Version int64  `json:"version"`
	Digest  Digest `json:"digest"` // the SHA-256 of the text; also its ETag

	// PutBy, KeyID, PutAt and Signed are set in the results of PutPolicyBundle and
	// PolicyBundleHistory.
	PutBy  string    `json:"put_by,omitzero"` // the subject that stored it
	KeyID  string    `json:"key_id,omitzero"` // the key of that subject
	PutAt  Timestamp `json:"put_at,omitzero"`
	Signed bool      `json:"signed,omitzero"` // it was stored with a signature

	// Notes is what a reader should know about the bundle, such as a tier whose answer it
	// changes. Only PutPolicyBundle sets it.
	Notes []string `json:"notes,omitzero"`

	// Text is exactly the bytes that were stored, and Signature their Ed25519 signature,
	// if they have one. PolicyBundle and PolicyBundleVersion set them.
	Text      []byte `json:"-"`
	Signature []byte `json:"-"`
}

// PolicyStop forbids what its scope selects, whatever the policy bundle says: the scope
// is all, principal:ID or action:ID, and an ID may end in * for all names that begin so.
type PolicyStop struct {
	Scope  string    `json:"scope"`
	Reason string    `json:"reason"`
	By     string    `json:"by"` // the subject that added it
	At     Timestamp `json:"at"`
}

// PolicyBundle returns the policy bundle in force, or [ErrNotFound] if the tenant has
// none. If known is its digest, the error is [ErrNotModified] and nothing is sent; zero
// always gets the bundle. GET /api/v1/policy/bundle.
func (c *Client) PolicyBundle(ctx context.Context, known Digest) (PolicyBundle, error) {
	return c.bundle(ctx, "PolicyBundle", "/policy/bundle", known)
}

// PolicyBundleVersion returns a version that the tenant's bundle has or had, or
// [ErrNotFound]. The control plane keeps the texts of the newest 1,000 versions.
// GET /api/v1/policy/bundle/history/{version}.
func (c *Client) PolicyBundleVersion(ctx context.Context, version int64) (PolicyBundle, error) {
	return c.bundle(ctx, "PolicyBundleVersion", "/policy/bundle/history/"+strconv.FormatInt(version, 10), Digest{})
}

func (c *Client) bundle(ctx context.Context, op, path string, known Digest) (bundle PolicyBundle, err error) {
	err = c.conditional(ctx, call{op: op, class: classReads, method: http.MethodGet, path: path}, known, func(response *http.Response) error {
		text, err := readWhole(response.Body, response.ContentLength)
		if err != nil {
			return err
		}
		if bundle, err = bundleOf(response, text); err != nil {
			return malformed(op, err)
		}
		return nil
	})
	if err != nil {
		return PolicyBundle{}, err
	}
	return bundle, nil
}

// bundleOf reads the headers of a response whose body is the text of a bundle.
func bundleOf(response *http.Response, text []byte) (bundle PolicyBundle, err error) {
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "application/yaml" || response.StatusCode != http.StatusOK {
		return bundle, errors.New("it is not a policy bundle (200, application/yaml)")
	}
	if bundle.Digest, err = digestOfETag(response); err != nil {
		return bundle, err
	}
	if len(text) > maxResponse || bundle.Digest != sha256.Sum256(text) {
		return bundle, errors.New("its body is not the text that its ETag is the digest of")
	}
	name, version, _ := strings.Cut(response.Header.Get(wire.BundleHeader), "/")
	if bundle.Version, err = strconv.ParseInt(version, 10, 64); err != nil || name == "" {
		return bundle, fmt.Errorf("its header %s does not name a bundle and its version", wire.BundleHeader)
	}
	if bundle.Signature, err = base64.StdEncoding.DecodeString(response.Header.Get(wire.SignatureHeader)); err != nil {
		return bundle, fmt.Errorf("its header %s is not base64", wire.SignatureHeader)
	}
	bundle.Name, bundle.Text, bundle.Signed = name, text, len(bundle.Signature) > 0
	return bundle, nil
}

// PutPolicyBundle stores a version of the policy bundle and puts it in force for the
// tenant. It needs an admin's key. text is YAML or JSON and is kept byte by byte;
// signature is its Ed25519 signature (64 bytes), or nil without one. If replaces is not
// zero, the bundle in force must have that digest.
//
// A bundle that cannot be loaded, or that lacks a signature that the control plane
// demands, is [ErrInvalid]: the message names each problem as line:column. A version that
// is not higher than that in force, and another bundle in force than replaces says, are
// [ErrConflict]. In both cases nothing has changed. The bundle in force, put again, is
// accepted without a change. PUT /api/v1/policy/bundle.
func (c *Client) PutPolicyBundle(ctx context.Context, text, signature []byte, replaces Digest) (PolicyBundle, error) {
	var options []CallOption
	if len(signature) > 0 {
		options = append(options, WithHeader(wire.SignatureHeader, base64.StdEncoding.EncodeToString(signature)))
	}
	if !replaces.IsZero() {
		options = append(options, WithHeader("If-Match", etagOf(replaces)))
	}
	var bundle PolicyBundle
	err := c.With(options...).invoke(ctx, call{
		op: "PutPolicyBundle", class: classChanges, keyed: true, method: http.MethodPut, path: "/policy/bundle", body: text, contentType: "application/yaml",
	}, &bundle)
	return bundle, err
}

// PolicyBundleHistory lists all versions of the tenant's policy bundle without their
// texts, the newest first. The first one is in force.
// GET /api/v1/policy/bundle/history.
func (c *Client) PolicyBundleHistory(ctx context.Context) iter.Seq2[PolicyBundle, error] {
	return list[PolicyBundle](ctx, c, "PolicyBundleHistory", "/policy/bundle/history", nil)
}

// PolicyStops returns the stops that hold now, in the order of their scopes, and a digest
// of them. If known is that digest, the error is [ErrNotModified]: the stops are those
// that came with it. GET /api/v1/policy/stops.
func (c *Client) PolicyStops(ctx context.Context, known Digest) (stops []PolicyStop, digest Digest, err error) {
	const op = "PolicyStops"
	k := call{op: op, class: classReads, method: http.MethodGet, path: "/policy/stops"}
	err = c.conditional(ctx, k, known, func(response *http.Response) error {
		body, err := readJSONBody(&k, response)
		if err != nil {
			return err
		}
		stops = []PolicyStop{}
		if err := decodeResponse(op, body, &stops); err != nil {
			return err
		}
		if digest, err = digestOfETag(response); err != nil {
			return malformed(op, err)
		}
		return nil
	})
	if err != nil {
		return nil, Digest{}, err
	}
	return stops, digest, nil
}

// StopPolicy adds a stop; see [PolicyStop]. It holds until it is removed, also after a
// restart. If the scope is stopped already, the result is that stop, with its reason. It
// needs an operator's key. PUT /api/v1/policy/stops/{scope}.
func (c *Client) StopPolicy(ctx context.Context, scope, reason string) (PolicyStop, error) {
	const op = "StopPolicy"
	body, err := encode(op, wire.StopRequest{Reason: reason})
	if err != nil {
		return PolicyStop{}, err
	}
	return c.changeStop(ctx, call{op: op, method: http.MethodPut, body: body}, scope)
}

// ResumePolicy removes a stop and returns it, or [ErrNotFound] if nothing is stopped with
// exactly this scope. It needs an operator's key. DELETE /api/v1/policy/stops/{scope}.
func (c *Client) ResumePolicy(ctx context.Context, scope string) (PolicyStop, error) {
	return c.changeStop(ctx, call{op: "ResumePolicy", method: http.MethodDelete}, scope)
}

func (c *Client) changeStop(ctx context.Context, k call, scope string) (stop PolicyStop, err error) {
	if scope == "" || scope == "." || scope == ".." {
		return PolicyStop{}, &Error{Op: k.op, Message: "the scope must be all, principal:ID or action:ID", Err: ErrInvalid}
	}
	k.class, k.keyed, k.path = classChanges, true, "/policy/stops/"+url.PathEscape(scope)
	err = c.invoke(ctx, k, &stop)
	return stop, err
}

// conditional makes a call whose response may be 304, for which the error is
// ErrNotModified. read gets every other successful response.
func (c *Client) conditional(ctx context.Context, k call, known Digest, read func(*http.Response) error) error {
	unchanged := false
	client := c
	if !known.IsZero() {
		client, k.conditional = c.With(WithHeader("If-None-Match", etagOf(known))), true
	}
	err := client.do(ctx, k, func(response *http.Response) error {
		if unchanged = response.StatusCode == http.StatusNotModified; unchanged {
			return nil
		}
		return read(response)
	})
	if err == nil && unchanged {
		return &Error{Op: k.op, Err: ErrNotModified}
	}
	return err
}

func etagOf(digest Digest) string { return `"` + digest.String() + `"` }

// digestOfETag returns the digest that is the ETag of the response. A proxy that
// compresses the response may have made the ETag a weak one.
func digestOfETag(response *http.Response) (digest Digest, err error) {
	text, ok := strings.CutPrefix(strings.TrimPrefix(response.Header.Get("ETag"), "W/"), `"`)
	text, closed := strings.CutSuffix(text, `"`)
	if !ok || !closed || !strings.HasPrefix(text, "sha256:") || digest.UnmarshalText([]byte(text)) != nil {
		return Digest{}, errors.New("its ETag is not a digest")
	}
	return digest, nil
}
