/* The queue's protocol, for a model checker: claim, renew, reserve, settle, expiry and crash, with two workers.

   It has the order of things, not their content.  One atomic block is one transaction of the database, or one step of a worker:
     claim     automation_claim     the caller chose the token; a repeat under it returns the same row
     renew     automation_renew     says whether the token still holds
     reserve   automation_advance   writes the send down before it leaves; one that stands under another token is of unknown fate
     settle    automation_settle    the end, or pending again; the send's record travels with it
     expire    automation_tick      a lease that is over goes back; the third lost one ends the row
   Replies are lost after the transaction; a settle may arrive long after its caller has told it again; workers crash between any
   two steps, and others begin in their places; a worker's own clock may say that its lease is over (scheduler/engine/leases.py).
   That clock is the one assumption: it runs from before the call, so it is over before the database's.

   Holds: a row ends once; its mail leaves once at most, and only from who holds the row; only a fault costs a lease; with LIVE,
   all rows end.  What leaves one of the rules out must be found to break that:
     NO_FENCE    settle does not look at the token          NO_CLOCK    a send does not look at the worker's own clock
     NO_RESERVE  a send is not written down before it       NEW_TOKEN   a repeated claim chooses another token
     NO_LIMIT    lost leases are not counted to three (with POISON: whoever runs a row dies of it)
   Two rows with few faults, or ONE_ROW with many: tests/model/test_model.py.                                                  */

#define ROWS 2
#define WORKERS 2
#define TOKENS 9       /* one more than can be remembered anywhere at once; one that nobody remembers may be chosen anew */
#ifndef CRASHES
#define CRASHES 1      /* of all workers together */
#endif
#ifndef SLOW
#define SLOW 1         /* how often a clock runs out under a living worker */
#endif
#ifndef LOST
#define LOST 0         /* how many replies are lost */
#endif
#define LATE 1         /* how many settles arrive late */
#define BUSY 1         /* how often the step after the mail says: not now */

mtype = { pending, processing, completed, failed };

typedef Row {
  mtype status = pending;
  byte token;          /* of the last claim */
  bool leased;         /* lease_expires_at is not null */
  byte lost;           /* lost_leases */
  byte reserved;       /* the token under which its mail was written down */
  bool recorded;       /* its mail is among the steps that are done */
  byte mails;          /* what the receiver has seen */
  byte ends;           /* how often it came to an end */
};

Row row[ROWS];
bool held[TOKENS];     /* by the clock of the worker that chose it: the lease is ours */
byte mine[WORKERS];    /* the token of the claim that each has; 0 is none */
byte crashes = CRASHES, slow = SLOW, lost = LOST, late = LATE, busy = BUSY, costs;
byte late_row, late_token;

#define IS_FINAL(r) (row[r].status == completed || row[r].status == failed)
#define ALL_FINAL (IS_FINAL(0) && IS_FINAL(1))

#ifdef NO_FENCE
#define FENCED(r, t) (true)
#else
#define FENCED(r, t) (row[r].token == t && row[r].leased)
#endif

#define IS_KNOWN(t) (row[0].token == t || row[1].token == t || row[0].reserved == t || row[1].reserved == t \
  || late_token == t || mine[0] == t || mine[1] == t)

/* A token that nobody knows.  The smallest: which number it is, is no difference. */
inline choose() {
  mine[me] = 0;
  next = 1;
  do
  :: IS_KNOWN(next) -> next++
  :: else -> break
  od;
  assert(next < TOKENS);
  mine[me] = next;
  next = 0;
  held[mine[me]] = true
}

/* The worker is done with its claim, or dead: another begins anew in its place. */
inline leave() {
  held[mine[me]] = false;
  mine[me] = 0;
  again = false;
  r = 0;
  goto idle
}

inline end(r, how) {
  row[r].status = how;
  row[r].leased = false;
  row[r].ends++;
  assert(row[r].ends <= 1)
}

inline settle(r, t, again) {
  if
  :: FENCED(r, t) && again ->
    row[r].status = pending;
    row[r].leased = false;
    row[r].recorded = true
  :: FENCED(r, t) && !again ->
    row[r].recorded = true;
    end(r, completed)
  :: else               /* already, or lost: nothing is written */
  fi
}

inline expire(r) {
  assert(costs > 0);
  costs--;
  row[r].leased = false;
  row[r].token = 0;
#ifdef NO_LIMIT
  row[r].status = pending
#else
  row[r].lost++;
  if
  :: row[r].lost == 3 -> end(r, failed)
  :: else -> row[r].status = pending
  fi
#endif
}

proctype Worker(byte me) {
  byte r, next;
  bool again;

idle:
  atomic {
    if
    :: ALL_FINAL -> goto gone
    :: (row[0].status == pending || row[1].status == pending) -> choose()
    fi
  };

claim:
  atomic {
    if
    :: !held[mine[me]] -> leave()   /* nothing is asked for under a lease that is over before it is had */
    :: else
    fi;
    if
    :: row[0].leased && row[0].token == mine[me] -> r = 0
    :: row[1].leased && row[1].token == mine[me] -> r = 1
    :: else ->
      if
      :: row[0].status == pending -> r = 0
      :: row[1].status == pending -> r = 1
      :: row[0].status != pending && row[1].status != pending -> leave()
      fi;
      row[r].status = processing;
      row[r].token = mine[me];
      row[r].leased = true
    fi
  };
  atomic {
    if
    :: true
    :: lost > 0 -> lost--;
#ifdef NEW_TOKEN
      held[mine[me]] = false; choose();
#endif
      goto claim
    :: crashes > 0 -> crashes--; costs++; leave()
    fi
  };

#ifdef POISON
  atomic { costs++; leave() };   /* whoever runs it dies of it */
#endif

renew:
  atomic {              /* once, at any time before the send */
    if
    :: true
    :: !held[mine[me]] && FENCED(r, mine[me]) -> held[mine[me]] = true
    :: !FENCED(r, mine[me]) -> leave()
    fi
  };
  if
  :: row[r].recorded -> goto ending
  :: else
  fi;

#ifndef NO_RESERVE
reserve:
  atomic {
    if
    :: !FENCED(r, mine[me]) -> leave()
    :: FENCED(r, mine[me]) && (row[r].reserved == 0 || row[r].reserved == mine[me]) -> row[r].reserved = mine[me]
    :: FENCED(r, mine[me]) && row[r].reserved != 0 && row[r].reserved != mine[me] -> end(r, failed); leave()
    fi
  };
  atomic {
    if
    :: true
    :: lost > 0 -> lost--; goto reserve
    :: crashes > 0 -> crashes--; costs++; leave()
    fi
  };
#endif

send:
  atomic {
#ifndef NO_CLOCK
    if
    :: !held[mine[me]] -> leave()
    :: else
    fi;
#endif
    assert(row[r].token == mine[me] && row[r].leased);
    row[r].mails++;
    assert(row[r].mails <= 1)
  };
  atomic {
    if
    :: true
    :: crashes > 0 -> crashes--; costs++; leave()
    fi
  };

ending:
  atomic {
    if
    :: busy > 0 -> busy--; again = true
    :: true
    fi
  };
tell:
  atomic {
    if
    :: true -> settle(r, mine[me], again)
    :: late > 0 && !again -> late--; late_row = r; late_token = mine[me]   /* on its way still; the caller tells it again */
    fi
  };
  atomic {
    if
    :: !FENCED(r, mine[me]) -> leave()
    :: FENCED(r, mine[me]) -> goto tell
    :: lost > 0 -> lost--; goto tell
    :: crashes > 0 -> crashes--; costs++; leave()
    fi
  };

gone:
  skip
}

/* A clock runs out: the worker was stopped, or could not renew. */
active proctype Clock() {
  do
  :: ALL_FINAL -> break
  :: atomic { slow > 0 && row[0].leased && held[row[0].token] -> slow--; costs++; held[row[0].token] = false }
  :: atomic { slow > 0 && row[1].leased && held[row[1].token] -> slow--; costs++; held[row[1].token] = false }
  od
}

active proctype Late() {
  do
  :: ALL_FINAL && late_token == 0 -> break
  :: atomic { late_token != 0 -> settle(late_row, late_token, false); late_token = 0 }
  od
}

active proctype Tick() {
  do
  :: ALL_FINAL -> break
  :: atomic { row[0].leased && !held[row[0].token] -> expire(0) }
  :: atomic { row[1].leased && !held[row[1].token] -> expire(1) }
  od
}

init {
  atomic {
#ifdef ONE_ROW
    row[1].status = completed;
#endif
    run Worker(0);
    run Worker(1)
  }
}

#ifdef LIVE
ltl all_end { <> ALL_FINAL }
#endif
