package session;

import java.time.Duration;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.function.Supplier;

/** What a session is made of: steps that print one line each, and waiting for a condition. */
final class Steps {

    /** Nothing here measures time: a slow machine may take this long for anything. */
    private static final Duration WAIT_LIMIT = Duration.ofMinutes(10);

    private static final Duration POLL = Duration.ofMillis(50);

    private Steps() {}

    /** The server did something else than the client and its documentation expect. */
    static final class Difference extends RuntimeException {

        private static final long serialVersionUID = 1L;

        Difference(String text) {
            super(text);
        }
    }

    /** Prints {@code ok NAME}, or {@code FAILED NAME} and lets the exception through. */
    static void step(String name, Runnable work) {
        try {
            work.run();
        } catch (RuntimeException | Error problem) {
            System.out.println("FAILED " + name);
            throw problem;
        }
        System.out.println("ok     " + name);
    }

    /** Both must be the same. */
    static void equal(Object got, Object wanted, String what) {
        if (!Objects.equals(got, wanted)) {
            throw new Difference(what + ": " + got + " instead of " + wanted);
        }
    }

    /** Must be true. */
    static void holds(boolean condition, String what) {
        if (!condition) {
            throw new Difference(what);
        }
    }

    /** The first value that is as wanted. */
    static <T> T waitFor(String what, Supplier<T> look, Predicate<T> wanted) {
        long end = System.nanoTime() + WAIT_LIMIT.toNanos();
        T seen;
        do {
            seen = look.get();
            if (wanted.test(seen)) {
                return seen;
            }
            pause();
        } while (System.nanoTime() < end);
        throw new Difference("waited " + WAIT_LIMIT + " for " + what + ", last: " + seen);
    }

    /** The call must be refused with an exception of this kind. */
    static <E extends RuntimeException> E refused(Class<E> kind, Runnable call) {
        try {
            call.run();
        } catch (RuntimeException refusal) {
            if (kind.isInstance(refusal)) {
                return kind.cast(refusal);
            }
            throw refusal;
        }
        throw new Difference("not refused");
    }

    private static void pause() {
        try {
            Thread.sleep(POLL.toMillis());
        } catch (InterruptedException interrupt) {
            Thread.currentThread().interrupt();
            throw new Difference("interrupted");
        }
    }
}
