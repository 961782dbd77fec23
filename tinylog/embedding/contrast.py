"""Words of logs that mean the same and words that mean the opposite: what template2vec (Meng et al., IJCAI 2019) takes from
WordNet and from operators, here a list of our own.

That two words stand in the same places is all that skip-gram sees: "up" and "down" do, and so they get like vectors.
"""
from __future__ import annotations

from collections.abc import Sequence
from itertools import product

# a line: forms of one word / forms of its opposite; a line of SYNONYMS: forms of one / of the other
_ANTONYMS = """
up / down
start starting started starts / stop stopping stopped stops
begin beginning begun / end ending ended
success succeeded successful successfully succeeds / fail failed failure failing fails unsuccessful
enable enabled enabling / disable disabled disabling
open opened opening / close closed closing
connect connected connecting connection / disconnect disconnected disconnecting disconnection
valid / invalid
allow allowed allowing / deny denied denying
lock locked locking / unlock unlocked unlocking
mount mounted mounting / unmount unmounted unmounting umount
attach attached attaching / detach detached detaching
acquire acquired acquiring / release released releasing
correct / incorrect
on / off
true / false
yes / no
add added adding / remove removed removing
create created creating creation / delete deleted deleting deletion
insert inserted inserting / removed remove
load loaded loading / unload unloaded unloading
install installed installing / uninstall uninstalled uninstalling
register registered registering / unregister unregistered unregistering deregistered
allocate allocated allocating allocation / deallocate deallocated deallocating free freed
send sending sent / receive receiving received
read reading reads / write writing written writes
push pushed pushing / pull pulled pulling
upload uploaded uploading / download downloaded downloading
login logged logon / logout logoff
accept accepted accepting / reject rejected rejecting refused refuse
grant granted / revoke revoked
online / offline
active activated / inactive deactivated
alive / dead
healthy / unhealthy degraded
available / unavailable
reachable / unreachable
accessible / inaccessible
known / unknown
expected / unexpected
correctable / uncorrectable
recoverable / unrecoverable
supported / unsupported
complete completed completely / incomplete partial
present / absent missing
found / missing
full / empty
normal / abnormal
safe / unsafe
trusted / untrusted
authorized / unauthorized
authenticated / unauthenticated
encrypted / unencrypted plaintext
increase increased increasing / decrease decreased decreasing
high higher / low lower
maximum max / minimum min
above / below
first / last
before / after
early / late
join joined joining / leave left leaving
enter entered entering / exit exited exiting
resume resumed resuming / suspend suspended suspending pause paused
commit committed committing / abort aborted aborting rollback
sync synced synchronized / unsynced unsynchronized
idle / busy
master / slave
primary / secondary
input / output
old / new
internal / external
ok / error
clean / dirty
"""

_SYNONYMS = """
error / fault
fail / abort
failed / aborted
failure / malfunction
failing / faulty
stop stopped stopping / halt halted halting
terminate terminated terminating / end ended ending
kill killed killing / terminate terminated terminating
start started starting / launch launched launching
begin beginning / start starting
boot booting booted / startup starting started
restart restarted restarting / reboot rebooted rebooting
init / initialize
initialized / initialised
initializing / initialising
shutdown / poweroff
exit exited exiting / quit terminated quitting
delete deleted deleting / remove removed removing
erase erased erasing / delete deleted deleting
create created creating / make made making
add added adding / append appended appending
insert inserted inserting / add added adding
send sending sent / transmit transmitting transmitted
receive received receiving / get got getting
fetch fetched fetching / retrieve retrieved retrieving
obtain obtained obtaining / acquire acquired acquiring
save saved saving / store stored storing
update updated updating / refresh refreshed refreshing
change changed changing / modify modified modifying
verify verified verifying verification / validate validated validating validation
check checked checking / test tested testing
find found finding / locate located locating
search searching searched / lookup looking looked
try trying tried / attempt attempting attempted
retry retrying retried / reattempt reattempting reattempted
wait waiting waited / await awaiting awaited
ask asked asking / request requested requesting
reply replied replying / respond responded responding
response / answer
deny denied / refuse refused
reject rejected / refuse refused
allow allowed / permit permitted
accept accepted / approve approved
finish finished finishing / complete completed completing
done / finished
success / completion
link / connection
connect connected connecting / attach attached attaching
disconnect disconnected disconnecting / detach detached detaching
lost / dropped
discard discarded discarding / drop dropped dropping
missing / absent
invalid / illegal
bad / corrupt
corrupted / damaged
incorrect / wrong
unable / cannot
unavailable / inaccessible
unexpected / unknown
interrupt interrupted / break broken
exception / error
warning / caution
critical / fatal
severe / serious
panic / crash
crashed / died
timeout / expired
slow / delayed
hang hung / freeze frozen
empty / blank
duplicate / redundant
replicate replicated replicating replication / copy copied copying copy
allocate allocated allocating / reserve reserved reserving
release released releasing / free freed freeing
queue queued / enqueue enqueued
directory / folder
user / account
host / machine
node / server
process / task
job / task
message / notification
memory / ram
disk / drive
address / location
enable enabled / activate activated
disable disabled / deactivate deactivated
run running / execute executing
suspend suspended / pause paused
"""


def _pairs(text: str, matched: bool) -> tuple[tuple[str, str], ...]:
    """Form by form where `matched`, each with each otherwise; no pair twice."""
    sides = [[side.split() for side in line.split("/")] for line in text.strip().splitlines()]
    return tuple(dict.fromkeys(pair for a, b in sides for pair in (zip(a, b) if matched else product(a, b))))


SYNONYMS = _pairs(_SYNONYMS, matched=True)
ANTONYMS = _pairs(_ANTONYMS, matched=False)

_OPPOSITE: dict[str, set[str]] = {}
for _a, _b in ANTONYMS:
    _OPPOSITE.setdefault(_a, set()).add(_b)
    _OPPOSITE.setdefault(_b, set()).add(_a)

_WRONG = frozenset("""
not no never without cannot unable non fail fails failed failing failure failures error errors fault faults exception
exceptions invalid illegal bad wrong incorrect corrupt corrupted damaged lost broken missing denied refused rejected
aborted abort killed timeout expired panic crash crashed fatal severe critical unexpected unknown unavailable unreachable
uncorrectable unrecoverable
""".split())


def opposed(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two texts, given by their words, say opposite things: what one has and the other lacks are antonyms, or one of
    them alone tells of something that is not, or went wrong.
    """
    only_a, only_b = set(a) - set(b), set(b) - set(a)
    wrong = _WRONG.isdisjoint(a) != _WRONG.isdisjoint(b)
    return wrong or any(not only_b.isdisjoint(_OPPOSITE.get(word, ())) for word in only_a)
