import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import {
  consistencyProof,
  frontierOf,
  growTree,
  inclusionProof,
  leafHash,
  nodeHash,
  rootOf,
  storedCount,
  storedIndex,
  verifyConsistency,
  verifyInclusion,
  type NodeReader,
} from "../src/merkle.ts";

// The reference tree of Certificate Transparency: its inputs, roots and proofs.
const inputs = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
];
const roots = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const inclusions = [
  { index: 0, size: 1, path: [] },
  {
    index: 0,
    size: 8,
    path: [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
  },
  {
    index: 5,
    size: 8,
    path: [
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
  },
  { index: 2, size: 3, path: ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"] },
  {
    index: 1,
    size: 5,
    path: [
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
  },
];
const consistencies = [
  { from: 1, to: 1, path: [] },
  {
    from: 1,
    to: 8,
    path: [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
  },
  {
    from: 6,
    to: 8,
    path: [
      "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
  },
  {
    from: 2,
    to: 5,
    path: [
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
  },
];

const reference = grown(inputs.map((input) => Buffer.from(input, "hex")));

test("the reference tree of Certificate Transparency has its roots", () => {
  const tree = growTree();
  assert.equal(tree.root().toString("hex"), roots[0]);
  for (const [index, input] of inputs.entries()) {
    tree.append(leafHash(Buffer.from(input, "hex")));
    assert.equal(tree.root().toString("hex"), roots[index + 1]);
    assert.equal(rootOf(index + 1, reference.read).toString("hex"), roots[index + 1]);
  }
});

test("the reference tree has its inclusion proofs, and they are accepted", () => {
  for (const { index, size, path } of inclusions) {
    const proof = inclusionProof(index, size, reference.read);
    assert.deepEqual(
      proof.map((hash) => hash.toString("hex")),
      path,
    );
    const leaf = leafHash(Buffer.from(inputs[index] ?? "", "hex"));
    const root = Buffer.from(roots[size] ?? "", "hex");
    assert.ok(verifyInclusion({ leaf, index, size, root, proof }));
  }
});

test("the reference tree has its consistency proofs, and they are accepted", () => {
  for (const { from, to, path } of consistencies) {
    const proof = consistencyProof(from, to, reference.read);
    assert.deepEqual(
      proof.map((hash) => hash.toString("hex")),
      path,
    );
    const [fromRoot, toRoot] = [
      Buffer.from(roots[from] ?? "", "hex"),
      Buffer.from(roots[to] ?? "", "hex"),
    ];
    assert.ok(verifyConsistency({ from, fromRoot, to, toRoot, proof }));
  }
});

const sizeMax = 130;
const leaves = Array.from({ length: sizeMax }, (_, index) => leafHash(`entry ${index}`));
const whole = grown(Array.from({ length: sizeMax }, (_, index) => Buffer.from(`entry ${index}`)));

test("roots and proofs are those of the definition's own recursion, for every size up to 130", () => {
  for (let size = 0; size <= sizeMax; size += 1) {
    assert.deepEqual(rootOf(size, whole.read), naiveRoot(leaves.slice(0, size)));
    for (let index = 0; index < size; index += 1) {
      assert.deepEqual(
        inclusionProof(index, size, whole.read),
        naivePath(index, leaves.slice(0, size)),
      );
    }
    for (let from = 1; from <= size; from += 1) {
      const proof = consistencyProof(from, size, whole.read);
      assert.deepEqual(
        proof,
        from === size ? [] : naiveSubproof(from, leaves.slice(0, size), true),
      );
    }
  }
});

test("every proof is accepted, and for no other leaf, place, size or root", () => {
  fc.assert(
    fc.property(fc.nat(sizeMax - 1), fc.nat(sizeMax), fc.nat(sizeMax - 1), (a, b, other) => {
      const size = Math.max(a + 1, b);
      const root = rootOf(size, whole.read);
      const proof = inclusionProof(a, size, whole.read);
      const right = { leaf: leafAt(a), index: a, size, root, proof };
      assert.ok(verifyInclusion(right));
      if (other !== a) {
        assert.ok(!verifyInclusion({ ...right, leaf: leafAt(other) }));
        assert.ok(!verifyInclusion({ ...right, index: other }));
      }
      const otherRoot = rootOf(size === other ? size - 1 : other, whole.read);
      assert.ok(!verifyInclusion({ ...right, root: otherRoot }));
      assert.ok(!verifyInclusion({ ...right, proof: [...proof, root] }));
      if (proof.length > 0) assert.ok(!verifyInclusion({ ...right, proof: proof.slice(1) }));
    }),
  );
});

test("a smaller tree is found in the larger one, and in no changed one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: sizeMax }), fc.nat(sizeMax), fc.nat(255), (a, b, at) => {
      const [from, to] = [Math.min(a, Math.max(b, 1)), Math.max(a, b)];
      const [fromRoot, toRoot] = [rootOf(from, whole.read), rootOf(to, whole.read)];
      const proof = consistencyProof(from, to, whole.read);
      const right = { from, fromRoot, to, toRoot, proof };
      assert.ok(verifyConsistency(right));
      assert.ok(!verifyConsistency({ ...right, fromRoot: flipped(fromRoot, at) }));
      assert.ok(!verifyConsistency({ ...right, toRoot: flipped(toRoot, at) }));
      const hit = at % Math.max(1, proof.length);
      const changed = proof.map((hash, index) => (index === hit ? flipped(hash, at) : hash));
      if (proof.length > 0) assert.ok(!verifyConsistency({ ...right, proof: changed }));
      assert.ok(!verifyConsistency({ ...right, proof: [...proof, toRoot] }));
      assert.ok(!verifyConsistency({ ...right, from: to + 1 }));
    }),
  );
});

test("a tree goes on from its frontier as if it had never stopped", () => {
  for (let size = 0; size < sizeMax; size += 1) {
    const kept = JSON.stringify(frontierOf(size, whole.read));
    const tree = growTree(JSON.parse(kept));
    for (const leaf of leaves.slice(size)) tree.append(leaf);
    assert.deepEqual(tree.root(), rootOf(sizeMax, whole.read));
    assert.deepEqual(tree.frontier(), frontierOf(sizeMax, whole.read));
  }
});

test("every node has one place in the stored order, and it is the one where it was appended", () => {
  assert.equal(storedCount(0), 0);
  assert.equal(whole.nodes.length, storedCount(sizeMax));
  assert.deepEqual(whole.nodes[storedIndex(3, 5)], naiveRoot(leaves.slice(40, 48)));
  // Beyond what 32 bits hold.
  assert.equal(storedIndex(0, 2 ** 40), storedCount(2 ** 40));
});

test("there is no proof for what is not in the tree", () => {
  assert.throws(() => inclusionProof(5, 5, whole.read), RangeError);
  assert.throws(() => consistencyProof(6, 5, whole.read), RangeError);
});

function leafAt(index: number): Buffer {
  return leafHash(`entry ${index}`);
}

interface Grown {
  readonly nodes: readonly Buffer[];
  readonly read: NodeReader;
}

function grown(data: readonly Buffer[]): Grown {
  const tree = growTree();
  const nodes = data.flatMap((one) => tree.append(leafHash(one)));
  const read: NodeReader = (level, index) => {
    const node = nodes[storedIndex(level, index)];
    assert.ok(node !== undefined);
    return node;
  };
  return { nodes, read };
}

// RFC 6962, section 2.1, as it is written there.
function naiveRoot(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 0) return createHash("sha256").digest();
  const [only] = hashes;
  if (hashes.length === 1 && only !== undefined) return only;
  const k = powerBelow(hashes.length);
  return nodeHash(naiveRoot(hashes.slice(0, k)), naiveRoot(hashes.slice(k)));
}

function naivePath(m: number, hashes: readonly Buffer[]): readonly Buffer[] {
  if (hashes.length <= 1) return [];
  const k = powerBelow(hashes.length);
  return m < k
    ? [...naivePath(m, hashes.slice(0, k)), naiveRoot(hashes.slice(k))]
    : [...naivePath(m - k, hashes.slice(k)), naiveRoot(hashes.slice(0, k))];
}

function naiveSubproof(m: number, hashes: readonly Buffer[], whole: boolean): readonly Buffer[] {
  const n = hashes.length;
  if (m === n) return whole ? [] : [naiveRoot(hashes)];
  const k = powerBelow(n);
  return m <= k
    ? [...naiveSubproof(m, hashes.slice(0, k), whole), naiveRoot(hashes.slice(k))]
    : [...naiveSubproof(m - k, hashes.slice(k), false), naiveRoot(hashes.slice(0, k))];
}

function powerBelow(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

function flipped(hash: Buffer, at: number): Buffer {
  const copy = Buffer.from(hash);
  const place = at % copy.length;
  copy.writeUInt8(copy.readUInt8(place) ^ 1, place);
  return copy;
}
