// What a compiling virtual machine does to a processor: code made at run time, patched, thrown away and made anew; faults
// taken on purpose instead of checks; threads stopped at safepoints. The sums must be the same however it is compiled.
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

public class Jit {
    interface Shape { long area(); }
    record Square(long side) implements Shape { public long area() { return side * side; } }
    record Strip(long length) implements Shape { public long area() { return 3 * length; } }
    record Dot() implements Shape { public long area() { return 1; } }

    static long integers(int n) {
        long hash = 1469598103934665603L;
        for (int i = 0; i < n; i++) hash = (hash ^ (i * 31 + (hash >>> 29))) * 1099511628211L;
        return hash;
    }
    static double matrix(int n) {
        double[][] a = new double[n][n], b = new double[n][n], c = new double[n][n];
        for (int i = 0; i < n; i++) for (int j = 0; j < n; j++) { a[i][j] = i - j / 3.0; b[i][j] = i * 0.5 + j; }
        for (int i = 0; i < n; i++) for (int k = 0; k < n; k++) for (int j = 0; j < n; j++) c[i][j] += a[i][k] * b[k][j];
        double sum = 0;
        for (double[] row : c) for (double x : row) sum += x;
        return sum;
    }
    /** The third class comes late: calls that were compiled for two are thrown away. */
    static long shapes(int n) {
        Shape[] all = new Shape[64];
        long sum = 0;
        for (int round = 0; round < n; round++) {
            for (int i = 0; i < all.length; i++)
                all[i] = i % 2 == 0 ? new Square(i + round) : round > n / 2 && i % 7 == 0 ? new Dot() : new Strip(i);
            for (Shape s : all) sum += s.area();
        }
        return sum;
    }
    /** Null pointers and divisions by zero arrive as signals in compiled code. */
    static long faults(int n) {
        long caught = 0;
        int[] numbers = new int[16];
        for (int i = 0; i < n; i++) {
            try {
                Shape s = i % 5 == 0 ? null : new Strip(i);
                caught += s.area() % 3;
                caught += 100 / (i % 7);
                caught += numbers[i % 17];
            } catch (NullPointerException e) { caught += 1000;
            } catch (ArithmeticException e) { caught += 2000;
            } catch (ArrayIndexOutOfBoundsException e) { caught += 3000; }
        }
        return caught;
    }
    static long garbage(int n) {
        List<byte[]> kept = new ArrayList<>();
        long sum = 0;
        for (int i = 0; i < n; i++) {
            byte[] block = new byte[1024 + i % 5000];
            block[i % block.length] = (byte) i;
            if (i % 50 == 0) kept.add(block);
            if (kept.size() > 300) kept.subList(0, 150).clear();
            sum += block[i % block.length];
        }
        return sum + kept.size();
    }
    static long threads() throws InterruptedException {
        AtomicLong atomic = new AtomicLong();
        long[] locked = {0};
        Thread[] all = new Thread[4];
        for (int t = 0; t < all.length; t++) {
            int id = t;
            all[t] = new Thread(() -> {
                for (int i = 0; i < 20000; i++) {
                    atomic.addAndGet(i ^ id);
                    synchronized (locked) { locked[0] += i % 13; }
                    if (i % 5000 == 0) Thread.yield();
                }
            });
            all[t].start();
        }
        for (Thread t : all) t.join();
        return atomic.get() * 31 + locked[0];
    }
    static int text(int n) {
        StringBuilder b = new StringBuilder();
        for (int i = 0; i < n; i++) b.append(i * 7 % 1000).append(i % 3 == 0 ? "," : ";");
        return b.toString().replaceAll("([0-9]+),", "<$1>").hashCode();
    }
    public static void main(String[] arguments) throws InterruptedException {
        for (int round = 0; round < 3; round++) {
            System.out.println("integers " + integers(400000));
            System.out.println("matrix " + matrix(60));
            System.out.println("shapes " + shapes(3000));
            System.out.println("faults " + faults(30000));
            System.out.println("garbage " + garbage(20000));
            System.out.println("threads " + threads());
            System.out.println("text " + text(5000));
        }
    }
}
