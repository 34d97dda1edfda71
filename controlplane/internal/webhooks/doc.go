// Package webhooks tells the addresses of the configuration what happens: an approval is
// asked for, decided, used or expires, the policy changes, a checkpoint is made.
//
// An [Announcer] makes the messages. The store keeps them in the transaction of the audit
// entry that they announce, so that no event is lost and none is announced that did not
// happen. A [Service] delivers them: at least once, each time with the same id, until the
// receiver answers with a status of 2xx or the message is three days old. A [Sender] makes
// one request, only to addresses that [Sender.Check] allows.
package webhooks
