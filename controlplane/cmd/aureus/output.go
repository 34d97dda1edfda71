package main

import (
	"fmt"
	"io"
	"time"

	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/cmd/aureus/internal/screen"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// printer writes to standard output in the format of the flag --output. It is a
// [flag.Value]; the zero value writes text.
type printer struct {
	stdout io.Writer
	json   bool
}

// String implements [flag.Value].
func (p *printer) String() string {
	if p.json {
		return "json"
	}
	return "text"
}

// Set implements [flag.Value].
func (p *printer) Set(format string) error {
	if format != "text" && format != "json" {
		return fmt.Errorf("must be text or json, not %.20q", format)
	}
	p.json = format == "json"
	return nil
}

// print writes the value as one line of JSON.
func (p *printer) print(value any) error {
	text, err := strictjson.MarshalText(value)
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(append(screen.JSON(text), '\n'))
	return err
}

// describedKey is a key in JSON. Scripts depend on it: fields may be added, but
// never renamed or removed.
type describedKey struct {
	ID        string   `json:"id"`
	Tenant    string   `json:"tenant"`
	Subject   string   `json:"subject"`
	Role      string   `json:"role"`
	SpeaksFor []string `json:"speaks_for"`
	CreatedAt string   `json:"created_at"`          // RFC 3339
	RevokedAt string   `json:"revoked_at,omitzero"` // RFC 3339; absent if the key is not revoked
	Secret    string   `json:"secret,omitzero"`     // only for a new key
}

func describe(key controlplane.Key) describedKey {
	d := describedKey{
		ID: key.ID, Tenant: key.Tenant, Subject: key.Subject, Role: string(key.Role), SpeaksFor: key.SpeaksFor,
		CreatedAt: key.CreatedAt.UTC().Format(time.RFC3339),
	}
	if d.SpeaksFor == nil {
		d.SpeaksFor = []string{}
	}
	if !key.RevokedAt.IsZero() {
		d.RevokedAt = key.RevokedAt.UTC().Format(time.RFC3339)
	}
	return d
}

// revokedKey is the result of keys revoke; the key may have been revoked before.
type revokedKey struct {
	ID      string `json:"id"`
	Revoked bool   `json:"revoked"`
}
