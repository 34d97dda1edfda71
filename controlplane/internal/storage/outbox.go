package storage

import (
	"errors"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/seal"
)

// The limits of the outbox.
const (
	// MaxOutbox is how many messages of one webhook are stored, dead ones included. For
	// one more, a dead message is deleted or, without any, the one that waits longest.
	MaxOutbox = 10_000
	// MaxOutboxError is how many bytes of an error are stored with a message.
	MaxOutboxError = 300
)

// outboxPurpose is the purpose of the codes of messages; see seal.Key.MAC.
const outboxPurpose = "outbox"

// ErrAltered means that a row was changed outside of the server: its code under the
// installation key is wrong.
var ErrAltered = errors.New("the row was changed outside of the server")

// Message is a notification for a webhook.
type Message struct {
	ID      string // the same for each attempt
	Tenant  string
	Webhook string // its name in the configuration
	Kind    string
	Body    string // JSON

	At       time.Time // when it was stored
	Due      time.Time // when it is sent next, or when it was given up
	GiveUp   time.Time // a failure after this time makes it dead
	Attempts int
	Dead     bool   // it is not sent again, unless it is retried
	Error    string // of the last attempt

	MAC []byte // over all other fields; the rules of this package set and check it
}

// Supersedes reports whether a message of this kind replaces the one of the same webhook
// that still waits: a checkpoint covers what earlier ones did.
func (m Message) Supersedes() bool { return m.Kind == KindCheckpoint }

// KindCheckpoint is the kind of the messages with a checkpoint.
const KindCheckpoint = "checkpoint"

func (m Message) parts() []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{
		m.ID, m.Tenant, m.Webhook, m.Kind, m.Body, number(m.At.UnixNano()), number(m.Due.UnixNano()), number(m.GiveUp.UnixNano()),
		strconv.Itoa(m.Attempts), strconv.FormatBool(m.Dead), m.Error,
	}
}

// Sealed returns the message with its code.
func (m Message) Sealed(key *seal.Key) Message {
	m.MAC = key.MAC(outboxPurpose, m.parts()...)
	return m
}

// Check returns ErrAltered if the code of the message is not that of its fields.
func (m Message) Check(key *seal.Key) error {
	if !key.CheckMAC(m.MAC, outboxPurpose, m.parts()...) {
		return ErrAltered
	}
	return nil
}

// Announcer makes the messages for webhooks. Its methods depend on nothing but their
// parameters and the configuration, and do not block.
type Announcer interface {
	// OfEntry returns the messages about a new audit entry, if any webhook wants them.
	OfEntry(tenant string, e aureus.AuditRecord) []Message
	// OfCheckpoint returns the messages about a new checkpoint.
	OfCheckpoint(c Checkpoint) []Message
}

// OutboxCounts says what became of the messages of a webhook.
type OutboxCounts struct {
	Webhook   string
	Waiting   int64 // stored and not dead
	Dead      int64 // stored and dead
	Delivered int64 // since the webhook was first configured, as the next two
	Dropped   int64 // deleted, because the outbox was full
	GivenUp   int64
}

// Outbox stores messages for webhooks until they are delivered.
type Outbox interface {
	// Add stores messages. If the outbox of a webhook is full, it deletes one message of
	// that webhook and counts it as dropped. A message that supersedes another one takes
	// over the attempts and the due time of that one, which it deletes.
	Add(messages ...Message) error
	// AddCheckpoint stores the messages about a new checkpoint.
	AddCheckpoint(c Checkpoint) error
	// Due returns at most limit messages of the webhook, the longest due first, that are
	// due and not dead. Each has been checked: one with a wrong code is returned with
	// Error set to the text of ErrAltered, and a nil MAC.
	Due(webhook string, now time.Time, limit int) ([]Message, error)
	// Get returns the message with that id, or ErrNotFound.
	Get(id string) (Message, error)
	// List returns at most limit messages of the webhook, or of all if it is empty: dead
	// ones first, then those with most attempts, then the oldest.
	List(webhook string, limit int) ([]Message, error)
	// Delivered deletes a message and counts it. It does nothing if the message is gone.
	Delivered(m Message) error
	// Failed stores the state of a message after a failed attempt, and counts it if it is
	// dead. It does nothing if the message is gone. One that Due returned without a MAC is
	// stored without a valid one.
	Failed(m Message) error
	// Retry makes dead messages wait again, due now: the one with that id, or at most
	// limit of the webhook if id is empty, or of all webhooks if that is empty too. It
	// returns their number.
	Retry(webhook, id string, now, giveUp time.Time, limit int) (int64, error)
	// PruneDead deletes at most limit messages that were given up before the time, and
	// returns their number.
	PruneDead(before time.Time, limit int) (int64, error)
	// Webhooks returns the names of the webhooks with messages that wait.
	Webhooks() ([]string, error)
	// Counts returns the counts of all webhooks, by name.
	Counts() ([]OutboxCounts, error)
}
